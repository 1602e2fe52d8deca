// Draws zones on the picture: a drag makes a rectangle, taps make the corners of a shape. The page uses drawn zones at once.
// The device uses the zones of its configuration, for which this page shows the text.
import { bodyOf, refusal, say } from "./messages.js";

/** Width of the drawing in its own units. */
export const SCALE = 1000;
const SVG = "http://www.w3.org/2000/svg";
const DRAG_PX = 10;
const CLOSE_PX = 24;
const MAX_POINTS = 32;
const TOML_AFTER_MS = 250;

const byId = (id) => document.getElementById(id);
const round = (share) => Math.round(Math.min(1, Math.max(0, share)) * 1000) / 1000;

let all = [];
let draft = [];
let dragFrom;
let changed = () => {};
let timer;

function contains({ points }, [x, y]) {
  let inside = false;
  points.forEach(([fromX, fromY], index) => {
    const [toX, toY] = points[(index + 1) % points.length];
    if ((fromY > y) !== (toY > y) && x < fromX + ((y - fromY) / (toY - fromY)) * (toX - fromX)) inside = !inside;
  });
  return inside;
}

/** Whether a head is counted, decided by the centre of its box as in crates/config/src/zone.rs. */
export function admits(head) {
  const middle = [head.x + head.width / 2, head.y + head.height / 2];
  if (all.some((zone) => zone.kind === "ignore" && contains(zone, middle))) return false;
  const only = all.filter((zone) => zone.kind === "only");
  return !only.length || only.some((zone) => contains(zone, middle));
}

function element(parent, tag, properties = {}) {
  const child = Object.assign(document.createElement(tag), properties);
  parent.append(child);
  return child;
}

function place(event) {
  const { left, top, width, height } = byId("drawing").getBoundingClientRect();
  return [round((event.clientX - left) / width), round((event.clientY - top) / height)];
}

function path(points, closed = true) {
  const [, , width, height] = byId("drawing").getAttribute("viewBox").split(" ").map(Number);
  const corners = points.map(([x, y]) => `${x * width} ${y * height}`);
  return points.length ? `M${corners.join("L")}${closed ? "z" : ""}` : "";
}

function draw() {
  byId("shapes").replaceChildren(...all.map(({ kind, points }) => {
    const shape = document.createElementNS(SVG, "path");
    shape.setAttribute("d", path(points));
    shape.setAttribute("class", `shape ${kind}`);
    return shape;
  }));
  byId("draft").setAttribute("d", path(draft, false));
  byId("close").hidden = draft.length < 3;
  byId("discard").hidden = !draft.length;
  changed();
  clearTimeout(timer);
  timer = setTimeout(requestToml, TOML_AFTER_MS);
}

/** Sends the zones to the device, which checks them and returns their configuration text. */
async function requestToml() {
  const answer = await fetch("api/v1/aim/zones", {
    method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ zones: all }),
  }).catch(() => null);
  const body = answer && await bodyOf(answer);
  byId("fault").hidden = Boolean(answer?.ok);
  if (answer?.ok) byId("toml").value = body.toml;
  else if (body?.error) byId("fault").textContent = say(`fault-${body.error}`, { zone: body.zone ?? "" });
  else byId("fault").textContent = answer ? refusal(answer, body) : say("refused-lost");
}

function labelled(parent, words, control) {
  const label = element(parent, "label", { textContent: words });
  label.append(control);
  return label;
}

function list() {
  byId("zones").replaceChildren();
  for (const zone of all) {
    const row = element(byId("zones"), "li", { className: `zone ${zone.kind}` });
    const name = labelled(row, say("zone-name"), Object.assign(document.createElement("input"), { value: zone.name, maxLength: 60 })).control;
    name.addEventListener("input", () => { zone.name = name.value; draw(); });
    const kind = labelled(row, say("zone-kind"), document.createElement("select")).control;
    for (const value of ["ignore", "only"]) element(kind, "option", { value, textContent: say(`zone-${value}`) });
    kind.value = zone.kind;
    kind.addEventListener("change", () => {
      zone.kind = kind.value;
      row.className = `zone ${zone.kind}`;
      draw();
    });
    const corners = labelled(row, say("zone-corners"), Object.assign(document.createElement("input"), {
      value: zone.points.map((point) => point.join(" ")).join(", "),
    }));
    corners.className = "corners";
    corners.control.addEventListener("change", () => {
      zone.points = corners.control.value.split(",").map((pair) => {
        const [x, y] = pair.trim().split(/\s+/).map(Number);
        return [round(x || 0), round(y || 0)];
      }).slice(0, MAX_POINTS);
      draw();
    });
    element(row, "button", { type: "button", textContent: say("zone-delete", { name: zone.name }) })
      .addEventListener("click", () => {
        all = all.filter((other) => other !== zone);
        list();
        draw();
        byId("add").focus();
      });
  }
}

function add(points) {
  const kind = document.querySelector("input[name=kind]:checked").value;
  const taken = new Set(all.map(({ name }) => name));
  let number = all.length + 1;
  while (taken.has(say("zone-numbered", { number }))) number += 1;
  all.push({ name: say("zone-numbered", { number }), kind, points });
  draft = [];
  list();
  draw();
}

const rectangle = ([x, y], [toX, toY]) => [
  [Math.min(x, toX), Math.min(y, toY)], [Math.max(x, toX), Math.min(y, toY)],
  [Math.max(x, toX), Math.max(y, toY)], [Math.min(x, toX), Math.max(y, toY)],
];
const apart = (event) => Math.hypot(event.clientX - dragFrom.clientX, event.clientY - dragFrom.clientY);

function tap(event) {
  const box = byId("drawing").getBoundingClientRect();
  const [x, y] = place(event);
  const near = draft.length >= 3
    && Math.hypot((x - draft[0][0]) * box.width, (y - draft[0][1]) * box.height) < CLOSE_PX;
  if (near || draft.length === MAX_POINTS) return add(draft);
  draft.push([x, y]);
  draw();
}

byId("drawing").addEventListener("pointerdown", (event) => {
  dragFrom = event;
  byId("drawing").setPointerCapture(event.pointerId);
});
byId("drawing").addEventListener("pointermove", (event) => {
  if (dragFrom && !draft.length && apart(event) > DRAG_PX) {
    byId("draft").setAttribute("d", path(rectangle(place(dragFrom), place(event))));
  }
});
byId("drawing").addEventListener("pointerup", (event) => {
  if (!dragFrom) return;
  if (!draft.length && apart(event) > DRAG_PX) add(rectangle(place(dragFrom), place(event)));
  else tap(event);
  dragFrom = undefined;
});
byId("drawing").addEventListener("pointercancel", () => {
  dragFrom = undefined;
  draw();
});
byId("add").addEventListener("click", () => add(rectangle([0.35, 0.35], [0.65, 0.65])));
byId("close").addEventListener("click", () => add(draft));
byId("discard").addEventListener("click", () => {
  draft = [];
  draw();
});
byId("copy").addEventListener("click", async () => {
  byId("toml").select();
  // The clipboard API needs HTTPS; execCommand also works without it.
  await navigator.clipboard?.writeText(byId("toml").value).catch(() => document.execCommand("copy"));
  if (!navigator.clipboard) document.execCommand("copy");
  byId("spoken").textContent = say("copied");
});

let begun = false;
/** Starts with the zones of the configuration. A second call keeps the zones that were drawn on this page. */
export function begin(view) {
  byId("drawing").setAttribute("viewBox", `0 0 ${SCALE} ${(SCALE * view.height) / view.width}`);
  if (!begun) all = view.zones;
  begun = true;
  list();
  draw();
}
export function listen(listener) { changed = listener; }
