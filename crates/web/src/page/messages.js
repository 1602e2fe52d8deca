// The texts of the page. The device has parsed the Fluent files already: a message is a text, or a list of texts, variables
// and choices by plural.
const language = document.documentElement.lang;
const messages = await (await fetch(`messages/${language}.json`)).json();
/** Loads the additional messages of one page. */
export const load = async (page) => Object.assign(messages, await (await fetch(`messages/${language}-${page}.json`)).json());
const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);
const hours = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

const shown = (value) => (typeof value === "number" ? numbers.format(value) : String(value ?? ""));

const render = (parts, values) => parts.map((part) => {
  if (typeof part === "string") return part;
  if ("var" in part) return shown(values[part.var]);
  const value = values[part.select];
  const chosen = part.of[value] ?? part.of[plurals.select(value)] ?? part.of[part.default];
  return render(chosen, values);
}).join("");

/** The message `key` with its variables; the key itself if there is no such message. */
export const say = (key, values = {}) => (key in messages ? render(messages[key], values) : key);
/** The JSON body of an answer; an empty object if a proxy answers with something else. */
export const bodyOf = (answer) => answer.json().catch(() => ({}));
/** The message for a refused request: that of the error code in its body, otherwise the HTTP status. */
export function refusal({ status }, { error }) {
  const key = `refused-${error}`;
  return key in messages ? say(key) : say("refused-status", { status });
}
/** A share as a percentage, with a non-breaking space. */
export const percent = (share) => `${numbers.format(Math.round(share * 100))}\u00a0%`;
export const clock = (date) => hours.format(date);
export { language };
