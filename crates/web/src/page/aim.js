// Shows what the camera sees, while the device permits it. The events report when it does, so that the page requests no picture
// in vain. The picture is only in the canvas, which is cleared at the end.
import { bodyOf, clock, refusal, say } from "./messages.js";
import * as zones from "./zones.js";

const RETRY_MS = 2000;
const LARGE_PX = 1920;

const byId = (id) => document.getElementById(id);
// A random name of this page, by which the device recognises its single viewer.
const viewer = [...crypto.getRandomValues(new Uint8Array(8))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

let following = false;
let latest;

function closed(words, how) {
  following = false;
  latest = undefined;
  const canvas = byId("picture");
  canvas.width = canvas.width;
  byId("heads").replaceChildren();
  for (const id of ["view", "zones-card"]) byId(id).hidden = true;
  byId("closed").hidden = false;
  byId("how").hidden = !how;
  byId("why").textContent = words;
}

/** The messages about the heads, with their values. */
function hint({ heads, width, min_head_px: px }) {
  const counted = heads.filter((head) => zones.admits(head));
  const small = counted.filter((head) => head.small).length;
  const outside = heads.length - counted.length;
  if (!heads.length) return [["aim-none"]];
  const parts = [];
  if (counted.length) parts.push(["aim-heads", { count: counted.length }]);
  if (small) parts.push([width < LARGE_PX ? "aim-small" : "aim-small-closer", { count: small, px }]);
  else if (counted.length) parts.push(["aim-fine"]);
  if (outside) parts.push(["aim-outside", { count: outside }]);
  return parts;
}

function showHint(view) {
  const parts = hint(view);
  byId("hint").textContent = parts.map(([key, values]) => say(key, values)).join(" ");
  // Screen readers get a new text only when its meaning changes, not for every new number.
  const spoken = parts.filter(([key]) => key !== "aim-heads").map(([key]) => key).join();
  if (byId("spoken").dataset.of !== spoken) {
    byId("spoken").dataset.of = spoken;
    byId("spoken").textContent = byId("hint").textContent;
  }
}

function drawHeads(view) {
  const scale = zones.SCALE;
  const tall = (scale * view.height) / view.width;
  byId("drawing").setAttribute("viewBox", `0 0 ${scale} ${tall}`);
  byId("heads").replaceChildren(...view.heads.map((head) => {
    const [x, y, width, height] = [head.x * scale, head.y * tall, head.width * scale, head.height * tall];
    const counts = zones.admits(head);
    const box = document.createElementNS("http://www.w3.org/2000/svg", "path");
    const cross = counts ? "" : `M${x} ${y}l${width} ${height}m0 ${-height}l${-width} ${height}`;
    box.setAttribute("d", `M${x} ${y}h${width}v${height}h${-width}z${cross}`);
    box.setAttribute("class", `head${counts ? "" : " out"}${counts && head.small ? " small" : ""}`);
    return box;
  }));
}

async function show(view) {
  const bytes = Uint8Array.from(atob(view.picture), (letter) => letter.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
  if (!following) return;
  const first = !latest;
  latest = view;
  const canvas = byId("picture");
  Object.assign(canvas, { width: picture.width, height: picture.height });
  canvas.style.aspectRatio = `${picture.width} / ${picture.height}`;
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
  byId("until").textContent = say("aim-until", { time: clock(new Date(Date.now() + view.left_s * 1000)) });
  if (first) zones.begin(view);
  drawHeads(view);
  showHint(view);
  byId("closed").hidden = true;
  for (const id of ["view", "zones-card"]) byId(id).hidden = false;
}

async function followPreview() {
  if (following) return;
  following = true;
  showWaiting("aim-waiting");
  let after = 0;
  while (following) {
    const answer = await fetch(`api/v1/aim?viewer=${viewer}&after=${after}`).catch(() => null);
    if (!following) return;
    if (answer?.status === 200) {
      const view = await answer.json();
      after = view.sequence;
      await show(view);
    } else if (answer?.status === 204) {
      // No new picture yet; request again at once.
    } else if (answer?.status === 409) {
      byId("why").textContent = say("refused-aiming_other_viewer");
      await pause(RETRY_MS);
    } else if (answer && [401, 403].includes(answer.status)) {
      const body = await bodyOf(answer);
      // An event may have given the reason meanwhile.
      if (!following) return;
      if (body.error === "not_paired") location.replace("pair");
      else closed(refusal(answer, body), body.error === "aiming_not_offered");
    } else {
      await pause(RETRY_MS);
    }
  }
}

function showWaiting(key) {
  byId("how").hidden = true;
  byId("why").textContent = say(key);
}

let events;

function listen() {
  events = new EventSource("api/v1/events");
  events.addEventListener("device", (event) => {
    const device = JSON.parse(event.data);
    if (device.aiming) followPreview();
    else if (device.paused) closed(say("aim-paused"), false);
    else closed(say("refused-aiming_not_offered"), true);
  });
  events.addEventListener("error", () => { closed(say("refused-lost"), false); });
}

// As on the first page: a hidden tab closes its event stream.
document.addEventListener("visibilitychange", () => {
  events.close();
  if (!document.hidden) listen();
});
listen();

byId("done").addEventListener("click", () => fetch("api/v1/aim", { method: "DELETE" }).catch(() => {}));
zones.listen(() => {
  if (!latest) return;
  drawHeads(latest);
  showHint(latest);
});
