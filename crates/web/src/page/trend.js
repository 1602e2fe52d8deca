// The trend of the last minutes: loaded once for each connection, then continued with every new mood.
import { percent, say } from "./messages.js";

const KEYS = ["facing", "pleasant", "strained"];
const INTERVAL_MS = 10_000;
const SPAN_MS = 45 * 60_000;
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
let points = [];
let minutes = 15;

/** The point of the trend for a mood, computed as on the device (crates/web/src/trend.rs). */
function pointOf(mood) {
  const live = mood.state === "live";
  const shares = live ? mood.expressions : null;
  const sum = (...names) => (shares ? names.reduce((total, name) => total + shares[name].share, 0) : null);
  return {
    at: Date.parse(mood.at),
    facing: live ? mood.facing?.share ?? null : null,
    pleasant: sum("happy", "surprise"),
    strained: sum("angry", "disgust", "fear", "sad"),
  };
}

const slot = (point) => Math.floor(point.at / INTERVAL_MS);

/** Adds a new mood. */
export function add(mood) {
  const point = pointOf(mood);
  while (points.length && slot(points.at(-1)) >= slot(point)) points.pop();
  points.push(point);
  points = points.filter(({ at }) => at >= point.at - SPAN_MS);
  draw();
}

/** Loads the points from before this page was opened. */
export async function load() {
  const answer = await fetch("api/v1/trend");
  if (!answer.ok) return;
  points = (await answer.json()).map((point) => ({ ...point, at: Date.parse(point.at) }));
  draw();
}

function element(parent, name, attributes) {
  const child = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) child.setAttribute(key, value);
  parent.append(child);
}

function path(shown, key, end) {
  let text = "";
  let last = null;
  for (const point of shown) {
    if (point[key] == null) { last = null; continue; }
    const x = 600 - (end - point.at) / (minutes * 60_000) * 600;
    const y = 175 - Math.min(1, point[key]) * 170;
    // A gap in time is a gap in the line.
    const joined = last != null && point.at - last < 6 * INTERVAL_MS;
    text += `${joined ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    last = point.at;
  }
  return text;
}

function draw() {
  const end = points.at(-1)?.at ?? Date.now();
  const shown = points.filter(({ at }) => at >= end - minutes * 60_000);
  const chart = byId("trend");
  chart.replaceChildren();
  for (const y of [5, 90, 175]) element(chart, "line", { x1: 0, x2: 600, y1: y, y2: y });
  for (const key of [...KEYS].reverse()) element(chart, "path", { class: key, d: path(shown, key, end) });
  const last = shown.at(-1);
  for (const key of KEYS) byId(`now-${key}`).textContent = last?.[key] == null ? "" : percent(last[key]);
  chart.setAttribute("aria-label", spoken(shown));
}

function spoken(shown) {
  const known = shown.filter(({ facing }) => facing != null);
  if (!known.length) return say("trend-empty");
  const [first, last] = [known[0], known.at(-1)];
  const ago = Math.round((last.at - first.at) / 60_000);
  return say("trend-spoken", { facing: percent(last.facing), before: percent(first.facing), minutes: ago });
}

function label() {
  [...byId("axis").children].slice(0, 3).forEach((mark, index) => {
    mark.textContent = say("trend-ago", { minutes: minutes * (3 - index) / 3 });
  });
}

for (const input of document.querySelectorAll(".trend .spans input")) {
  input.nextElementSibling.textContent = say("trend-minutes", { minutes: Number(input.value) });
  input.addEventListener("change", () => {
    minutes = Number(input.value);
    label();
    draw();
  });
}
label();
