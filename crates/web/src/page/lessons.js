// Lists the recorded lessons with reports, notes and deletion, and compares two of them.
import { bodyOf, clock, language, percent, refusal, say } from "./messages.js";
import { compare } from "./compare.js";

const byId = (id) => document.getElementById(id);
const days = new Intl.DateTimeFormat(language, { weekday: "short", day: "numeric", month: "short", year: "numeric" });
let chosen = [];

const name = (lesson) => lesson.title || say("untitled");
const when = ({ begun_at: begun, ended_at: ended }) => {
  const [from, to] = [begun, ended].map((time) => (time ? clock(new Date(time)) : "…"));
  return `${days.format(new Date(begun))}, ${from}–${to}`;
};

function facts({ length_min: minutes, people, facing }) {
  const parts = [say("trend-minutes", { minutes })];
  if (people != null) parts.push(say("lesson-people", { count: Math.round(people) }));
  if (facing) parts.push(say("lesson-facing", { share: percent(facing.value) }));
  return ` · ${parts.join(" · ")}`;
}

async function send(path, method, request) {
  const body = request && JSON.stringify(request);
  const headers = request ? { "content-type": "application/json" } : {};
  try {
    const answer = await fetch(path, { method, headers, body });
    if (answer.ok) return true;
    announce(refusal(answer, await bodyOf(answer)));
  } catch {
    announce(say("refused-lost"));
  }
  return false;
}

// Announces a message to screen readers and shows it.
function announce(words) {
  byId("spoken").textContent = words;
  byId("hint").textContent = words;
}

function card(lesson) {
  const row = byId("lesson").content.cloneNode(true).firstElementChild;
  const part = (selector) => row.querySelector(selector);
  row.dataset.word = lesson.word;
  part("h2").textContent = name(lesson);
  part(".when").textContent = when(lesson);
  part(".word").textContent = lesson.mode === "count" ? "" : say(`word-${lesson.word}`);
  part(".facts").textContent = facts(lesson);
  const path = `api/v1/lessons/${lesson.id}`;
  part(".report").href = `${path}.html`;
  part(".csv").href = `${path}.csv`;
  part(".json").href = `${path}.json`;
  const note = (text) => {
    part(".own").textContent = text;
    part(".own").hidden = !text;
  };
  note(lesson.note);
  part("textarea").value = lesson.note;
  part("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = part("textarea").value;
    if (!await send(`${path}/note`, "PUT", { note: text })) return;
    note(text.trim());
    announce(say("note-kept"));
  });
  part(".delete").addEventListener("click", () => remove(lesson, row, path));
  part("input").addEventListener("change", (event) => choose(lesson, event.target));
  return row;
}

function remove(lesson, row, path) {
  const dialog = byId("really");
  byId("really-what").textContent = `${name(lesson)}, ${when(lesson)}`;
  dialog.returnValue = "no";
  dialog.showModal();
  dialog.addEventListener("close", async () => {
    if (dialog.returnValue !== "yes" || !await send(path, "DELETE")) return;
    row.remove();
    announce(say("deleted"));
    empty();
  }, { once: true });
}

// A third choice replaces the oldest.
async function choose(lesson, box) {
  chosen = chosen.filter((other) => other.lesson.id !== lesson.id);
  if (box.checked) chosen.push({ lesson, box });
  if (chosen.length > 2) chosen.shift().box.checked = false;
  byId("comparison").hidden = chosen.length !== 2;
  if (chosen.length !== 2) return;
  const lessons = chosen.map(({ lesson: { id } }) => fetch(`api/v1/lessons/${id}.json`).then((answer) => answer.json()));
  const titles = chosen.map(({ lesson: one }) => `${name(one)}, ${when(one)}`);
  compare(await Promise.all(lessons), titles);
  byId("comparison").focus();
}

function empty() {
  const none = !byId("lessons").children.length;
  byId("empty").hidden = !none;
  byId("empty").textContent = say("lessons-none");
  byId("hint").hidden = none;
}

async function load() {
  const answer = await fetch("api/v1/lessons");
  if (answer.ok) byId("lessons").replaceChildren(...(await answer.json()).map(card));
  empty();
  if (answer.status === 404) byId("empty").textContent = say("refused-no_lessons");
  document.body.dataset.loaded = "";
}
load().catch(() => announce(say("refused-lost")));
