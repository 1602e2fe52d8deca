// Measures the cost of 200 phones on the event stream: vision's rate without, with and again without them.
// Usage: MOODRING=PROGRAM node listeners.mjs [SECONDS PER PART]
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { Device, endAll, sleep } from './device.mjs';

const SECONDS = Number(process.argv[2] ?? 60);
const PHONES = 200;
// The camera is faster than vision, so vision runs at its maximum rate.
const device = await new Device('room-1', '[camera.simulator]\npeople = 30\nscript = "steady"\nframes_per_s = 30\n[log]\nfilter = "warn"\n').start();

async function counters() {
  const text = await (await fetch(`${device.url}/metrics`)).text();
  const cycles = Number(/^moodring_cycles_total (\S+)/m.exec(text)[1]);
  const memory = Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${device.child.pid}/status`, 'utf8'))[1]);
  const stat = readFileSync(`/proc/${device.child.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return { at: performance.now() / 1000, cycles, memory, processor: (Number(stat[11]) + Number(stat[12])) / 100 };
}

async function measure() {
  const before = await counters();
  await sleep(SECONDS * 1000);
  const after = await counters();
  const seconds = after.at - before.at;
  return { rate: (after.cycles - before.cycles) / seconds, processor: (after.processor - before.processor) / (after.cycles - before.cycles), memory: after.memory };
}

/** Opens `count` event streams. Like the page, each tries again a second after a refusal or an end. */
function phones(count) {
  const requests = new Set();
  const tally = { listening: 0, max: 0, refused: 0, events: 0 };
  let stopped = false;
  const connect = () => {
    if (stopped) return;
    const request = get(`${device.url}/api/v1/events`, (answer) => {
      const listens = answer.statusCode === 200;
      if (listens) tally.max = Math.max(tally.max, ++tally.listening); else tally.refused++;
      answer.on('data', () => { tally.events++; });
      answer.on('close', () => { if (listens) tally.listening--; requests.delete(request); setTimeout(connect, 1000); });
    });
    request.on('error', () => { requests.delete(request); setTimeout(connect, 1000); });
    requests.add(request);
  };
  for (let i = 0; i < count; i++) connect();
  return Object.assign(tally, { leave() { stopped = true; for (const request of requests) request.destroy(); } });
}

try {
  await sleep(10_000);
  const alone = [await measure()];
  const crowd = phones(PHONES);
  await sleep(2000);
  const crowded = await measure();
  crowd.leave();
  await sleep(2000);
  alone.push(await measure());
  const mean = (name) => (alone[0][name] + alone[1][name]) / 2;
  const percent = (ratio) => `${((ratio - 1) * 100).toFixed(1)} %`;
  console.log(`alone: ${alone.map((a) => a.rate.toFixed(2)).join(' and ')} pictures a second; with ${PHONES} phones: ${crowded.rate.toFixed(2)} (${percent(crowded.rate / mean('rate'))})`);
  console.log(`processor time of a picture with them: ${percent(crowded.processor / mean('processor'))}; memory ${(alone[0].memory / 1024).toFixed(0)} MB alone, ${(crowded.memory / 1024).toFixed(0)} MB with them`);
  console.log(`at most ${crowd.max} listened at a time, ${crowd.refused} requests were refused, ${crowd.events} events were sent`);
} finally {
  await endAll();
}
