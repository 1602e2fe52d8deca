// Pairs this phone with the device by means of the code on its display.
import { bodyOf, refusal, say } from "./messages.js";

const byId = (id) => document.getElementById(id);

function refuse(words) {
  byId("refused").textContent = words;
  byId("refused").hidden = false;
  byId("code").select();
}

byId("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("refused").hidden = true;
  try {
    const answer = await fetch("api/v1/pair", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ code: byId("code").value }),
    });
    if (answer.ok) location.replace(".");
    else refuse(refusal(answer, await bodyOf(answer)));
  } catch {
    refuse(say("refused-lost"));
  }
});
