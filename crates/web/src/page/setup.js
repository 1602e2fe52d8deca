// The set-up page: present values, changes and result. Nothing is written before the changes were shown.
import { bodyOf, load, refusal, say } from "./messages.js";

const byId = (id) => document.getElementById(id);
const fields = [...document.querySelectorAll("[id*='.']")].filter((field) => field.matches("input, select") && field.id !== "mqtt.password_file");
const CRON = /^(\d{1,2}) (\d{1,2}) \* \* (MON-FRI|MON-SAT|MON|TUE|WED|THU|FRI|SAT|SUN)$/;
const json = { "content-type": "application/json" };
let values = {};
let cameras = [];
let digest;

async function request(path, form) {
  const options = form && { method: "POST", headers: json, body: JSON.stringify(form) };
  const answer = await fetch(`api/v1/setup${path}`, options);
  return { ok: answer.ok, status: answer.status, body: await bodyOf(answer) };
}

// ---- fields and values

function fill(present) {
  values = present;
  for (const field of fields) {
    const value = values[field.id];
    if (field.type === "checkbox") field.checked = value;
    else field.value = value ?? "";
  }
  byId("lessons.timetable").replaceChildren(...values["lessons.timetable"].map(row));
  depend();
}

function valueOf(field) {
  if (field.type === "checkbox") return field.checked;
  const text = field.value.trim();
  if (field.dataset.kind === "optional") return text || null;
  // The device reports a value that is not a number, at its field.
  return field.dataset.kind === "number" && /^\d+$/.test(text) ? Number(text) : text;
}

function formValues() {
  const form = Object.fromEntries(fields.map((field) => [field.id, valueOf(field)]));
  form["lessons.timetable"] = [...byId("lessons.timetable").children].map(lessonOf);
  Object.assign(form, cameraValues());
  return { values: form, password: byId("mqtt.password_file").value };
}

function depend() {
  byId("external").hidden = byId("mqtt.broker").value !== "external";
  byId("timetable").hidden = byId("lessons.begin").value !== "timetable";
  byId("view-hint").hidden = byId("camera.view").value !== "gallery";
}

// ---- lessons

function row({ begin, minutes, title }) {
  const item = byId("row").content.cloneNode(true).firstElementChild;
  const part = (selector) => item.querySelector(selector);
  const shown = CRON.exec(begin);
  if (shown) {
    part(".time").value = `${shown[2].padStart(2, "0")}:${shown[1].padStart(2, "0")}`;
    part(".days").value = shown[3];
  } else if (begin) {
    // A pattern that the page cannot show stays as it is.
    item.dataset.begin = begin;
    part(".days").closest("label").hidden = true;
    part(".time").type = "text";
    part(".time").value = begin;
  }
  part(".minutes").value = minutes;
  part(".title").value = title;
  part(".remove").addEventListener("click", () => {
    item.remove();
    byId("add").focus();
  });
  return item;
}

function lessonOf(item) {
  const part = (selector) => item.querySelector(selector).value.trim();
  const [hour, minute] = part(".time").split(":");
  const begin = "begin" in item.dataset ? part(".time") : `${Number(minute)} ${Number(hour)} * * ${part(".days")}`;
  return { begin, minutes: Math.round(Number(part(".minutes"))) || 0, title: part(".title") };
}

// ---- cameras

const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });

async function listCameras() {
  const { ok, body } = await request("/cameras");
  cameras = ok ? body : [];
  const device = values["camera.v4l2.device"];
  const chosen = values["camera.source"] === "v4l2" ? device : values["camera.source"];
  const options = cameras.map((camera) => option(camera.device, camera.card ? `${camera.card} (${camera.path})` : camera.path));
  if (values["camera.source"] === "v4l2" && !cameras.some((camera) => camera.device === device)) options.push(option(device, device));
  options.push(option("simulator", say("setup-simulator")));
  if (values["camera.source"] === "file") options.push(option("file", say("setup-camera-file")));
  byId("camera").replaceChildren(...options);
  byId("camera").value = chosen;
  showModes();
}

function showModes() {
  const camera = cameras.find(({ device }) => device === byId("camera").value);
  const modes = camera?.modes ?? [];
  const name = ({ width, height, frames_per_s: rate, format }) => say("setup-camera-size", { width: String(width), height: String(height), rate: Math.round(rate ?? 30), format });
  byId("modes").replaceChildren(option("", say("setup-camera-as-is")), ...modes.map((mode, index) => option(String(index), name(mode))));
  byId("modes-field").hidden = !modes.length;
  const hint = camera?.fault ?? (cameras.length ? "" : say("setup-camera-none"));
  byId("camera-hint").textContent = hint;
  byId("camera-hint").hidden = !hint;
}

function cameraValues() {
  const chosen = byId("camera").value;
  if (!chosen) return {};
  if (["simulator", "file"].includes(chosen)) return { "camera.source": chosen };
  const result = { "camera.source": "v4l2", "camera.v4l2.device": chosen };
  const mode = cameras.find(({ device }) => device === chosen)?.modes[byId("modes").value];
  if (!mode) return result;
  return {
    ...result, "camera.v4l2.width": mode.width, "camera.v4l2.height": mode.height,
    "camera.v4l2.frames_per_s": Math.min(60, Math.max(1, Math.round(mode.frames_per_s ?? 15))),
  };
}

// ---- faults

function clear() {
  for (const message of document.querySelectorAll(".fault")) message.remove();
  for (const field of document.querySelectorAll("[aria-invalid]")) {
    field.removeAttribute("aria-invalid");
    if (field.dataset.hint) field.setAttribute("aria-describedby", field.dataset.hint);
    else field.removeAttribute("aria-describedby");
  }
  byId("refused").hidden = true;
  byId("changes").hidden = true;
}

function refuse(words) {
  byId("refused").textContent = words;
  byId("refused").hidden = false;
}

const fieldOf = (key) => byId(key) ?? byId("camera");

function refused({ status, body }) {
  const { error, detail, faults = [] } = body;
  if (error !== "faults") return refuse([refusal({ status }, body), detail].filter(Boolean).join(" "));
  const shown = new Set();
  let first;
  for (const { key, message } of faults) {
    const field = key && fieldOf(key);
    if (!field) {
      refuse(message);
      continue;
    }
    first ??= field;
    const list = !field.matches("input, select");
    if (!list) field.setAttribute("aria-invalid", "true");
    // A message about several fields is shown at the first one.
    if (shown.has(message)) continue;
    shown.add(message);
    const words = Object.assign(document.createElement("p"), { className: "fault", id: `fault-${key}`, textContent: message, lang: "en" });
    field.after(words);
    field.dataset.hint ??= field.getAttribute("aria-describedby") ?? "";
    if (!list) field.setAttribute("aria-describedby", `${words.id} ${field.dataset.hint}`.trim());
  }
  first?.focus();
  if (first) refuse(say("setup-faults"));
}

// The notes are shown only if a place is given.
function notes(place, list) {
  byId("law").hidden = !place;
  byId("notes").replaceChildren(...(place ? list : []).map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

// ---- check, save, broker

async function guarded(button, work) {
  button.disabled = true;
  try {
    await work();
  } catch {
    refuse(say("refused-lost"));
  }
  button.disabled = false;
}

const check = async () => {
  clear();
  const answer = await request("/check", formValues());
  if (!answer.ok) return refused(answer);
  const { body } = answer;
  digest = body.digest;
  notes(byId("purpose.jurisdiction").value, body.notes);
  const line = ({ change, text }) => {
    const mark = { same: "  ", old: "− ", new: "+ ", gap: "⋯" }[change];
    return Object.assign(document.createElement("span"), { className: change, textContent: mark + text });
  };
  byId("difference").replaceChildren(...body.difference.map(line));
  byId("difference").hidden = !body.difference.length;
  byId("save").hidden = !body.difference.length && !byId("mqtt.password_file").value;
  byId("changes-file").textContent = body.difference.length ? body.file : say("setup-same");
  byId("changes").hidden = false;
  byId("changes").focus();
};

const save = async () => {
  const answer = await request("", { ...formValues(), digest });
  const { ok, body } = answer;
  if (!ok) {
    clear();
    return refused(answer);
  }
  byId("form").hidden = true;
  byId("changes").hidden = true;
  byId("intro").hidden = true;
  byId("done").hidden = false;
  byId("done").focus();
  if (body.left.length && !body.restarts) {
    byId("outcome").textContent = say("setup-needs-restart", { keys: body.left.join(", ") });
  } else {
    byId("outcome").textContent = say(body.restarts ? "setup-begins" : "setup-holds");
    if (body.restarts) await waitForDevice();
  }
  byId("open").hidden = false;
};

// Waits until the page of the running device answers: the networks take a while to load.
async function waitForDevice() {
  const pause = () => new Promise((resolve) => { setTimeout(resolve, 700); });
  for (let attempt = 0; attempt < 120; attempt += 1) {
    await pause();
    const answer = await fetch("healthz", { cache: "no-store" }).catch(() => undefined);
    if (answer?.ok) {
      byId("outcome").textContent = say("setup-runs");
      return;
    }
  }
  byId("outcome").textContent = say("refused-lost");
}

const attempt = async () => {
  byId("tried").className = "";
  byId("tried").textContent = say("setup-trying");
  const answer = await request("/broker", formValues());
  const { ok, body } = answer;
  if (!ok) {
    byId("tried").textContent = "";
    clear();
    return refused(answer);
  }
  byId("tried").className = body.reached ? "works" : "";
  byId("tried").textContent = body.reached ? say("setup-reached") : `${say(`obstacle-${body.obstacle}`)} (${body.detail})`;
};

byId("form").addEventListener("submit", (event) => {
  event.preventDefault();
  guarded(byId("check"), check);
});
// The shown changes do not match the form any more.
byId("form").addEventListener("input", () => {
  byId("changes").hidden = true;
  depend();
});
byId("save").addEventListener("click", () => guarded(byId("save"), save));
byId("try").addEventListener("click", () => guarded(byId("try"), attempt));
byId("look").addEventListener("click", () => guarded(byId("look"), listCameras));
byId("camera").addEventListener("change", showModes);
byId("add").addEventListener("click", () => {
  const item = row({ begin: "", minutes: 45, title: "" });
  byId("lessons.timetable").append(item);
  item.querySelector("select").focus();
});

try {
  await load("setup");
  const answer = await request("");
  const { ok, body } = answer;
  if (ok) {
    fill(body.values);
    notes(body.values["purpose.jurisdiction"], body.notes);
    byId("back").hidden = !body.running;
    if (body.password_kept) byId("password-hint").textContent = say("setup-password-kept");
    await listCameras();
  } else {
    refused(answer);
  }
} catch {
  refuse(say("refused-lost"));
}
document.body.dataset.loaded = "";
