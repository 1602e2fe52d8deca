// Shows the newest mood from /api/v1/events. Text is inserted with textContent only, so that no value of a configuration can
// become markup.
import { bodyOf, clock, percent, refusal, say } from "./messages.js";
import * as attention from "./attention.js";
import * as controls from "./controls.js";
import * as trend from "./trend.js";

const EXPRESSIONS = ["happy", "surprise", "neutral", "sad", "fear", "angry", "disgust"];
// Time in which the first figures are drawn.
const SETTLED_AFTER_MS = 500;
const RETRY_MS = 3000;
// A stream without an event for this time is dead, even if it was not closed: the phone slept, or a router dropped it.
const STREAM_TIMEOUT_MS = 75_000;

const byId = (id) => document.getElementById(id);

function text(id, words) {
  const place = byId(id);
  if (place.textContent !== words) place.textContent = words;
  place.hidden = !words;
}

function element(parent, tag, className) {
  const child = document.createElement(tag);
  child.className = className;
  parent.append(child);
  return child;
}

const rows = new Map(EXPRESSIONS.map((name) => {
  const row = element(byId("expressions"), "li", "");
  element(row, "span", "name").textContent = say(`expression-${name}`);
  const share = element(row, "span", "share");
  const meter = element(row, "span", "meter");
  const parts = { row, share, fill: element(meter, "span", "fill"), whisker: element(meter, "span", "whisker") };
  parts.mark = element(meter, "span", "mark");
  parts.spoken = element(row, "span", "hidden");
  return [name, parts];
}));

function showExpressions(mood) {
  const shares = mood.expressions;
  byId("expressions").hidden = !shares;
  byId("expressions-card").hidden = mood.mode !== "mood";
  byId("expressions-hint").textContent = say(shares ? "expressions-note" : "expressions-none");
  if (!shares) return;
  for (const [name, { row, fill, whisker, mark, share, spoken }] of rows) {
    const part = shares[name];
    const [low, high] = [percent(part.low), percent(part.high)];
    fill.style.width = `${part.low * 100}%`;
    whisker.style.left = `${part.low * 100}%`;
    whisker.style.width = `${(part.high - part.low) * 100}%`;
    mark.style.left = `${part.share * 100}%`;
    share.textContent = percent(part.share);
    spoken.textContent = say("expression-spoken", { low, high });
    row.classList.toggle("dominant", mood.dominant === name);
  }
}

// Where the law or the administrator allows no more, the device only counts: there is no word, no pace and no trend.
const counts = (mood) => mood.mode === "count";

function headline(mood) {
  if (mood.state !== "live") return say(`headline-${mood.state}`);
  return counts(mood) ? String(mood.people) : say(`word-${mood.word}`);
}

function notice(mood) {
  if (mood.state === "live") return counts(mood) ? say("notice-count") : "";
  if (mood.state !== "stale") return say(`notice-${mood.state}`);
  const time = clock(new Date(Date.parse(mood.at) - mood.picture_age_s * 1000));
  return say(mood.people == null ? "notice-stale-empty" : "notice-stale", { time });
}

function showPace(mood) {
  byId("pace").hidden = mood.state !== "live" || counts(mood);
  text("pace-word", say(`pace-${mood.pace}`));
  text("pace-reason", say(`reason-${mood.pace_reason}`));
}

function showFigures(mood) {
  const { people, coverage, facing } = mood;
  byId("people").textContent = people ?? "–";
  byId("coverage").textContent = coverage == null ? "\u00a0" : say("coverage", { share: percent(coverage) });
  document.querySelector(".figures").classList.toggle("with-facing", facing != null);
  byId("facing").textContent = facing ? percent(facing.share) : "–";
  byId("facing-interval").textContent = facing
    ? say("between", { low: percent(facing.low), high: percent(facing.high) }) : "\u00a0";
}

let spoken = "";

function show(mood) {
  const figures = mood.state === "live" || mood.state === "stale";
  Object.assign(document.body.dataset, {
    state: mood.state, word: figures ? mood.word : "unsure", mode: mood.mode,
  });
  byId("place").textContent = `${mood.site} · ${mood.room}`;
  byId("state").textContent = say(`state-${mood.state}`);
  byId("word").textContent = headline(mood);
  text("notice", notice(mood));
  showPace(mood);
  showFigures(mood);
  showExpressions(mood);
  trend.add(mood);
  showWall(mood.sequence);
  setTimeout(() => { document.body.dataset.settled = ""; }, SETTLED_AFTER_MS);
  // Screen readers get the text only when it changes.
  const pace = mood.state === "live" && !counts(mood) && mood.pace !== "unsure" ? say(`pace-${mood.pace}`) : "";
  const now = [headline(mood), pace, notice(mood)].filter(Boolean).join(". ");
  if (now !== spoken) byId("spoken").textContent = spoken = now;
}

// The image of the wall display is fetched only while it is unfolded.
function showWall(sequence) {
  if (byId("wall").open) byId("display").src = `display.png?${sequence}`;
}
byId("wall").addEventListener("toggle", () => showWall(Date.now()));

let receivedAt = Date.now();
let connectedAt;
let events;

function lost(words = say("notice-lost", { time: clock(new Date(receivedAt)) })) {
  attention.clear();
  document.body.dataset.state = "lost";
  byId("state").textContent = say("state-lost");
  byId("pace").hidden = true;
  text("notice", words);
  if (words !== spoken) byId("spoken").textContent = spoken = words;
}

function connect() {
  events?.close();
  connectedAt = Date.now();
  if (document.hidden) return;
  events = new EventSource("api/v1/events");
  events.addEventListener("open", () => trend.load().catch(() => {}));
  events.addEventListener("mood", (event) => {
    receivedAt = Date.now();
    show(JSON.parse(event.data));
  });
  events.addEventListener("attention", (event) => attention.show(JSON.parse(event.data)));
  events.addEventListener("device", (event) => controls.show(JSON.parse(event.data)));
  events.addEventListener("error", () => {
    lost();
    // The browser does not reconnect by itself after an answer that is not an event stream.
    if (events.readyState === EventSource.CLOSED) setTimeout(reconnect, RETRY_MS);
  });
}

// Redirects a phone whose pairing has expired to the pairing page, and shows why the device refuses any other request.
async function reconnect() {
  const answer = await fetch("api/v1/device").catch(() => null);
  if (answer?.status === 401) return location.replace("pair");
  if (!answer || answer.ok) return connect();
  lost(refusal(answer, await bodyOf(answer)));
  setTimeout(reconnect, RETRY_MS);
}

// A browser opens at most six connections to one device, and each event stream uses one. A hidden tab closes its stream, so
// that the buttons of other tabs work.
document.addEventListener("visibilitychange", connect);

setInterval(() => {
  if (events?.readyState === EventSource.OPEN && Date.now() - Math.max(receivedAt, connectedAt) > STREAM_TIMEOUT_MS) {
    lost();
    connect();
  }
}, RETRY_MS);
connect();
