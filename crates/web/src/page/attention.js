// Shows where help may be needed: a plan of the class as seen from the front, and the same as text.
import { say } from "./messages.js";

const ROWS = ["back", "middle", "front"];
const COLUMNS = ["left", "middle", "right"];

const byId = (id) => document.getElementById(id);
const third = (share) => Math.min(2, Math.floor(share * 3));

function element(parent, tag, className, words = "") {
  const child = document.createElement(tag);
  child.className = className;
  child.textContent = words;
  parent.append(child);
  return child;
}

const cells = ROWS.flatMap((row) => COLUMNS.map((column) => ({ row, column, cell: element(byId("plan"), "div", "region") })));

// In the text, a seat is named by its region; only the plan shows its exact place.
const regionOf = ({ row, column, across, down }) => (row ? { row, column } : { row: ROWS[third(down)], column: COLUMNS[third(across)] });

function mark(spot) {
  const { sign, minutes, across, down } = spot;
  if (spot.row) {
    const { cell } = cells.find(({ row, column }) => row === spot.row && column === spot.column);
    const place = element(cell, "p", `spot ${sign}`);
    element(place, "b", "", say("trend-minutes", { minutes }));
    element(place, "span", "", say(`sign-${sign}`));
    return;
  }
  const dot = element(byId("plan"), "i", `seat ${sign}`);
  dot.style.left = `${4 + across * 92}%`;
  dot.style.top = `${6 + down * 88}%`;
}

/** Shows what the device reports, and removes everything that was shown before. */
export function show({ spots }) {
  byId("attention").hidden = false;
  for (const { cell } of cells) cell.replaceChildren();
  for (const seat of document.querySelectorAll("#plan .seat")) seat.remove();
  byId("spots").replaceChildren();
  // The plan itself names regions; then the list is only for screen readers.
  byId("spots").classList.toggle("hidden", spots.some(({ row }) => row));
  for (const spot of spots) {
    mark(spot);
    const { row, column } = regionOf(spot);
    const place = say(`place-${row}-${column}`);
    element(byId("spots"), "li", spot.sign, say(`attention-${spot.sign}`, { place, minutes: spot.minutes }));
  }
  if (!spots.length) element(byId("spots"), "li", "none", say("attention-none"));
}

/** Hides the card: outdated places are no hint. */
export function clear() {
  byId("attention").hidden = true;
}
