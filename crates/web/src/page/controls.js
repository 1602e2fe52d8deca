// Controls: pause, lesson, night mode and sensitivity. The page shows the state that the device reports, never a request that
// is not confirmed yet.
import { bodyOf, clock, refusal, say } from "./messages.js";

const byId = (id) => document.getElementById(id);
let device;

function show(now) {
  device = now;
  const { paused, switch_closed: closed, dimmed, aiming, records_lessons: records, lesson } = device;
  byId("controls").hidden = false;
  byId("new").hidden = !device.is_new;
  const problems = Object.entries(device.problems).map(([part, problem]) => {
    const item = document.createElement("li");
    item.append(Object.assign(document.createElement("b"), { textContent: part }), ` ${problem}`);
    return item;
  });
  byId("problems").querySelector("ul").replaceChildren(...problems);
  byId("problems").hidden = problems.length === 0;
  byId("pause").textContent = say(paused ? "resume" : "pause");
  byId("pause").disabled = closed;
  byId("controls-hint").textContent = closed ? say("switch-closed") : "";
  byId("controls-hint").hidden = !closed;
  byId("aiming").hidden = !aiming;
  byId("night").setAttribute("aria-pressed", String(dimmed));
  byId("sensitivity").querySelector(`[value=${device.sensitivity}]`).checked = true;
  byId("lesson-form").hidden = !records;
  byId("lesson-title-field").hidden = Boolean(lesson);
  byId("lesson").textContent = say(lesson ? "lesson-end" : "lesson-begin");
  byId("lesson-now").hidden = !lesson;
  if (lesson) byId("lesson-now").textContent = runningLesson(lesson);
}

function runningLesson({ title, begun_at: begun }) {
  const time = clock(new Date(begun));
  return title ? say("lesson-now-titled", { title, time }) : say("lesson-now", { time });
}

async function send(path, request) {
  byId("refused").hidden = true;
  try {
    const answer = await fetch(path, {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(request),
    });
    // A command that is only accepted (202) is reported as an event when it is done; this answer may be older than that event.
    if (answer.ok) return answer.status === 200 && show(await answer.json());
    refuse(refusal(answer, await bodyOf(answer)));
  } catch {
    refuse(say("refused-lost"));
  }
}

function refuse(words) {
  if (device) show(device);
  byId("refused").textContent = words;
  byId("refused").hidden = false;
}

byId("pause").addEventListener("click", () => send("api/v1/pause", { paused: !device.paused }));
byId("night").addEventListener("click", () => send("api/v1/night", { dim: !device.dimmed }));
byId("sensitivity").addEventListener("change", ({ target }) => send("api/v1/sensitivity", { sensitivity: target.value }));
byId("lesson-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const title = byId("lesson-title");
  send("api/v1/lesson", device.lesson ? { action: "end" } : { action: "begin", title: title.value });
  title.value = "";
});

export { show };
