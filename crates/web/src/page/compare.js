// Shows two lessons side by side: a table, and the curves of the share that faces the front.
import { percent, say } from "./messages.js";

const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const share = (level) => (level ? percent(level.value) : "–");

const ROWS = [
  ["compare-word", ({ lesson, summary }) => (lesson.mode === "count" ? "–" : say(`word-${summary.word}`))],
  ["compare-length", ({ summary }) => say("trend-minutes", { minutes: summary.length_min })],
  ["people", ({ summary }) => (summary.people == null ? "–" : String(Math.round(summary.people)))],
  ["facing", ({ summary }) => share(summary.metrics.facing)],
  ["compare-pleasant", ({ summary }) => share(summary.pleasant)],
  ["compare-strained", ({ summary }) => share(summary.strained)],
  ["compare-fast", (report) => minutes(report, "too_fast")],
  ["compare-slow", (report) => minutes(report, "too_slow")],
];

function minutes({ pace }, kind) {
  const spans = pace.filter((span) => span.pace === kind);
  return say("trend-minutes", { minutes: spans.reduce((sum, { first, last }) => sum + last - first + 1, 0) });
}

function cell(row, tag, text, scope) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (scope) made.scope = scope;
  row.append(made);
}

function row(parent) {
  return parent.appendChild(document.createElement("tr"));
}

/** Shows the two `reports` under their `titles`. */
export function compare(reports, titles) {
  const table = byId("comparison-table");
  const [head, body] = ["thead", "tbody"].map((tag) => document.createElement(tag));
  const top = row(head);
  cell(top, "td", "");
  titles.forEach((title) => cell(top, "th", title, "col"));
  for (const [key, value] of ROWS) {
    const line = row(body);
    cell(line, "th", say(key), "row");
    reports.forEach((report) => cell(line, "td", value(report)));
  }
  table.replaceChildren(head, body);
  byId("first-name").textContent = titles[0];
  byId("second-name").textContent = titles[1];
  draw(reports);
}

function draw(reports) {
  const longest = Math.max(1, ...reports.map(({ summary }) => summary.length_min - 1));
  const curves = reports.map(({ minutes: all }, index) => {
    let path = "";
    let last = null;
    for (const { number, metrics } of all) {
      if (!metrics.facing) { last = null; continue; }
      const [x, y] = [number / longest * 600, 175 - metrics.facing.value * 170];
      path += `${last === number - 1 ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
      last = number;
    }
    const curve = document.createElementNS(SVG, "path");
    curve.setAttribute("class", index ? "pleasant" : "facing");
    curve.setAttribute("d", path);
    return curve;
  });
  byId("curves").replaceChildren(...curves);
}
