"use strict";
// Shows the newest mood from /api/v1/events and the trend from /api/v1/trend. Text goes in by textContent
// only, so nothing that a configuration holds can become markup.

const EXPRESSIONS = ["happy", "surprise", "neutral", "sad", "fear", "angry", "disgust"];
const STATES = { starting: "starting", live: "live", stale: "stale", too_few: "too few", paused: "paused" };
const PACES = { fine: "pace seems right", too_fast: "perhaps too fast", too_slow: "perhaps too slow", unsure: "" };
const TREND_EVERY_MS = 5000;
const SPAN_MS = 15 * 60 * 1000;
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);
const percent = (share) => `${Math.round(share * 100)} %`;
const clock = (date) => date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

const element = (parent, tag, className) => {
  const child = document.createElement(tag);
  child.className = className;
  parent.append(child);
  return child;
};

const rows = new Map(EXPRESSIONS.map((name) => {
  const row = document.createElement("li");
  element(row, "span", "name").textContent = name;
  const meter = element(row, "div", "meter");
  const parts = { row, whisker: element(meter, "div", "whisker"), fill: element(meter, "div", "fill") };
  parts.low = parts.fill;
  parts.mark = element(meter, "div", "fill over");
  parts.share = element(row, "span", "share");
  byId("expressions").append(row);
  return [name, parts];
}));

function showExpressions(mood) {
  const shares = mood.expressions;
  byId("expressions").hidden = !shares;
  byId("expressions-card").hidden = mood.mode === "occupancy";
  byId("expressions-hint").textContent = shares
    ? "The line is the estimate; the light part is its 90 % interval."
    : "No figures now.";
  if (!shares) return;
  for (const [name, { row, whisker, low, mark, share }] of rows) {
    const part = shares[name];
    low.style.width = `${part.low * 100}%`;
    whisker.style.left = `${part.low * 100}%`;
    whisker.style.width = `${(part.high - part.low) * 100}%`;
    mark.style.width = `${part.share * 100}%`;
    share.textContent = percent(part.share);
    row.classList.toggle("dominant", mood.dominant === name);
    row.title = `${name}: ${percent(part.share)}, between ${percent(part.low)} and ${percent(part.high)}`;
  }
}

function headline(mood) {
  switch (mood.state) {
    case "starting": return "starting";
    case "too_few": return "too few";
    case "paused": return "paused";
    case "stale": return "no picture";
    default: return mood.word;
  }
}

function notice(mood) {
  switch (mood.state) {
    case "stale": {
      const since = new Date(Date.parse(mood.at) - mood.picture_age_s * 1000);
      const figures = mood.people == null ? "" : " The figures are those of then.";
      return `No picture since ${clock(since)}.${figures}`;
    }
    case "too_few": return "Fewer people than may be reported on: no figures.";
    case "paused": return "Paused by hand: nothing is looked at.";
    case "starting": return "Waiting for the first picture.";
    default: return "";
  }
}

let spoken = "";
// Long enough for the first figures to be drawn.
const SETTLED_AFTER_MS = 500;

function show(mood) {
  const figures = mood.state === "live" || mood.state === "stale";
  document.body.dataset.state = mood.state;
  document.body.dataset.word = figures ? mood.word : "unsure";
  byId("place").textContent = `${mood.site} · ${mood.room}`;
  byId("state").textContent = STATES[mood.state] ?? mood.state;
  byId("word").textContent = headline(mood);
  byId("pace").textContent = mood.state === "live" ? PACES[mood.pace] : "";
  document.body.dataset.mode = mood.mode;
  byId("notice").textContent = notice(mood);
  byId("notice").hidden = !notice(mood);
  byId("people").textContent = mood.people ?? "–";
  byId("coverage").textContent = mood.coverage == null ? "\u00a0" : `${percent(mood.coverage)} could be read`;
  byId("facing").textContent = mood.facing ? percent(mood.facing.share) : "–";
  byId("facing-interval").textContent = mood.facing ? `${percent(mood.facing.low)} to ${percent(mood.facing.high)}` : "\u00a0";
  showExpressions(mood);
  setTimeout(() => { document.body.dataset.settled = ""; }, SETTLED_AFTER_MS);
  byId("display").src = `/display.png?${mood.sequence}`;
  // Spoken only when something changes that one would say.
  const now = [headline(mood), notice(mood)].filter(Boolean).join(". ");
  if (now !== spoken) byId("spoken").textContent = spoken = now;
}

function line(points, key, end) {
  let path = "";
  let pen = false;
  for (const point of points) {
    const value = point[key];
    if (value == null) { pen = false; continue; }
    const x = 600 - (end - Date.parse(point.at)) / SPAN_MS * 600;
    const y = 175 - Math.min(1, value) * 170;
    path += `${pen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = true;
  }
  return path;
}

function showTrend(points) {
  const chart = byId("trend");
  chart.replaceChildren();
  for (const share of [0, 0.5, 1]) {
    const grid = document.createElementNS(SVG, "line");
    const y = 175 - share * 170;
    for (const [name, value] of Object.entries({ x1: 0, x2: 600, y1: y, y2: y })) grid.setAttribute(name, value);
    chart.append(grid);
  }
  const last = points.at(-1);
  const end = last ? Date.parse(last.at) : Date.now();
  for (const key of ["strained", "pleasant", "facing"]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", key);
    path.setAttribute("d", line(points, key, end));
    chart.append(path);
    byId(`now-${key}`).textContent = last?.[key] == null ? "" : percent(last[key]);
  }
}

async function loadTrend() {
  try {
    const answer = await fetch("/api/v1/trend");
    if (answer.ok) showTrend(await answer.json());
  } catch {
    // The event stream already says that the device cannot be reached.
  }
}

const events = new EventSource("/api/v1/events");
events.addEventListener("mood", (event) => show(JSON.parse(event.data)));
events.addEventListener("error", () => {
  document.body.dataset.state = "lost";
  byId("state").textContent = "no connection";
  byId("notice").textContent = "The device does not answer. Trying again.";
  byId("notice").hidden = false;
});
loadTrend();
setInterval(loadTrend, TREND_EVERY_MS);
