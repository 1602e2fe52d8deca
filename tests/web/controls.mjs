// Pause, lesson, sensitivity and night mode: from the page to the camera, the broker, the display and the store.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { PHONE, axe, fits, open } from './browser.mjs';
import { publish, retained, until } from './device.mjs';
import { classroom } from './devices.mjs';
import { picture, stateIs } from './live.mjs';

const post = (device, path, body, headers = {}) => fetch(device.url + path, {
  method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body),
});
const deviceState = (device) => fetch(`${device.url}/api/v1/device`).then((answer) => answer.json());

const pause = ['pause and resume on the page change the page, MQTT and the display', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device);
  await stateIs(visit.page, 'live');
  const live = readFileSync(device.display);
  await visit.page.click('#pause');
  await stateIs(visit.page, 'paused');
  assert.equal(await visit.text('#pause'), 'Resume');
  assert.match(await visit.text('#notice'), /camera is closed/);
  assert.equal(await visit.text('#people'), '–');
  if (device.broker) {
    await until('the pause at the broker', async () => (await retained(device.broker, 'moodring/school/room-1/mood')).state === 'paused');
  } else {
    console.log('        SKIPPED: the broker: mosquitto is not installed');
  }
  await until('the pause on the display', () => !readFileSync(device.display).equals(live));
  const paused = Buffer.from(await (await fetch(`${device.url}/display.png`)).arrayBuffer());
  assert.ok(paused.length > 100 && !paused.equals(live));
  await axe(visit.page);
  await picture(visit.page, 'page-phone-paused');
  await visit.page.click('#pause');
  await stateIs(visit.page, 'live');
  if (device.broker) {
    await until('the class at the broker', async () => (await retained(device.broker, 'moodring/school/room-1/mood')).state === 'live');
  }
  await visit.close();
}];

const mirrored = ['a pause by signal is shown on the page at once', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device);
  await stateIs(visit.page, 'live');
  device.child.kill('SIGUSR1');
  await visit.page.waitForFunction(() => document.getElementById('pause').textContent === 'Resume', null, { timeout: 5000 });
  device.child.kill('SIGUSR2');
  await visit.page.waitForFunction(() => document.getElementById('pause').textContent === 'Pause', null, { timeout: 5000 });
  await stateIs(visit.page, 'live');
  await visit.close();
}];

const lesson = ['a lesson is begun with a title, and ended', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device, '/', PHONE);
  await stateIs(visit.page, 'live');
  if ((await deviceState(device)).lesson) await visit.page.click('#lesson');
  await visit.page.waitForFunction(() => document.getElementById('lesson').textContent === 'Begin lesson');
  await visit.page.fill('#lesson-title', 'Physics <b>7a</b>');
  await visit.page.keyboard.press('Enter');
  await visit.page.waitForFunction(() => document.getElementById('lesson').textContent === 'End lesson');
  assert.match(await visit.text('#lesson-now'), /^Physics <b>7a<\/b>, since \d\d:\d\d$/);
  await fits(visit.page);
  await axe(visit.page);
  // A lesson is only stored if people were seen in it.
  await until('a live mood', async () => (await device.mood()).state === 'live');
  await visit.page.waitForTimeout(3000);
  await visit.page.click('#lesson');
  await visit.page.waitForFunction(() => document.getElementById('lesson').textContent === 'Begin lesson');
  await visit.close();
}];

const follow = ['the sensitivity is set on the page, by the API and over MQTT', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device);
  await visit.page.waitForSelector('#sensitivity [value=normal]:checked');
  await visit.page.click('#sensitivity label:has([value=quick])');
  await until('the choice', async () => (await deviceState(device)).sensitivity === 'quick');
  await axe(visit.page);
  await post(device, '/api/v1/sensitivity', { sensitivity: 'calm' });
  await visit.page.waitForSelector('#sensitivity [value=calm]:checked');
  if (device.broker) {
    await publish(device.broker, 'moodring/school/room-1/cmd/sensitivity', { sensitivity: 'normal' });
  } else {
    await post(device, '/api/v1/sensitivity', { sensitivity: 'normal' });
  }
  await visit.page.waitForSelector('#sensitivity [value=normal]:checked');
  await visit.close();
}];

const night = ['night mode is switched on and off', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device);
  await visit.page.click('#night');
  await visit.page.waitForSelector('#night[aria-pressed=true]');
  assert.equal((await deviceState(device)).dimmed, true);
  await axe(visit.page);
  await visit.page.click('#night');
  await visit.page.waitForSelector('#night[aria-pressed=false]');
  assert.equal((await deviceState(device)).dimmed, false);
  await visit.close();
}];

const foreign = ['a page of another origin can neither change nor read anything', async (browser) => {
  const device = await classroom();
  const { createServer } = await import('node:http');
  const server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html><title>x</title>')).listen(0, '127.0.0.1');
  await new Promise((resolve) => { server.once('listening', resolve); });
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const results = await page.evaluate(async (url) => {
    const attempt = async (path, options) => { try { const answer = await fetch(url + path, options); return answer.type === 'opaque' ? 'opaque' : answer.status; } catch { return 'blocked'; } };
    const body = JSON.stringify({ paused: true });
    return [
      await attempt('/api/v1/pause', { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
      await attempt('/api/v1/pause', { method: 'POST', mode: 'no-cors', body }),
      await attempt('/api/v1/mood', {}),
    ];
  }, device.url);
  assert.deepEqual(results.map((result) => result === 'blocked' || result === 'opaque'), [true, true, true], String(results));
  assert.equal((await deviceState(device)).paused, false);
  for (const headers of [{ origin: 'http://example.org' }, { origin: 'null' }]) {
    assert.equal((await post(device, '/api/v1/pause', { paused: true }, headers)).status, 403);
  }
  assert.equal((await deviceState(device)).paused, false);
  await context.close();
  server.close();
}];

export const controls = [pause, mirrored, lesson, follow, night, foreign];
