// Tests of the page: the real program with a simulated class, and a real browser.
// Usage: MOODRING=PROGRAM node test.mjs [PART OF A NAME]; PICTURES=FOLDER also takes screenshots.
import { aiming } from './aiming.mjs';
import { attention, attentionFirst } from './attention.mjs';
import { brokers } from './brokers.mjs';
import { launch } from './browser.mjs';
import { controls } from './controls.mjs';
import { atEnd, endAll } from './device.mjs';
import { lessons } from './lessons.mjs';
import { live } from './live.mjs';
import { paired } from './pairing.mjs';
import { portraitsFirst, portraitsLast } from './portraits.mjs';
import { proxies } from './proxy.mjs';
import { setup } from './setup.mjs';

const only = process.argv[2] ?? '';
// Tests that need minutes are started first and checked last.
const checks = [
  ...portraitsFirst, ...attentionFirst, ...live, ...controls, ...lessons, ...aiming, ...setup, ...brokers, ...paired, ...proxies, ...attention, ...portraitsLast,
];
const results = [];

const giveUp = setTimeout(async () => {
  console.error('web: timeout after ten minutes');
  await endAll();
  process.exit(1);
}, 600_000);

let failed = 0;
try {
  const browser = await launch();
  atEnd(() => browser.close());
  for (const [name, body] of checks.filter(([name]) => name.includes(only))) {
    const begun = Date.now();
    try {
      await body(browser);
      results.push(name);
      console.log(`ok      ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}: ${error.stack ?? error}`);
    }
  }
} catch (error) {
  failed += 1;
  console.log(`FAILED  ${error.stack ?? error}`);
}
await endAll();
clearTimeout(giveUp);
console.log(`${results.length} passed, ${failed} failed`);
process.exit(failed || !results.length ? 1 : 0);
