// First set-up: an empty configuration, the set-up page, the difference, and then the live page of the new room.
import assert from 'node:assert/strict';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DESKTOP, PHONE, SMALL, axe, fits, open } from './browser.mjs';
import { Device, freePort, startBroker, until } from './device.mjs';
import { picture, stateIs } from './live.mjs';

/** Starts a newly installed program: its configuration has the listen address but no room and no purpose. */
export async function unpacked(name) {
  const device = new Device(name, '');
  device.port = await freePort();
  device.url = `http://127.0.0.1:${device.port}`;
  device.file = join(device.folder, 'moodring.toml');
  writeFileSync(device.file, [
    '# Ours.', '[web]', `listen = "127.0.0.1:${device.port}"`, '', '[storage]', `directory = "${join(device.folder, 'state')}" # kept here`, '',
    '[camera.simulator]', 'people = 12', '',
  ].join('\n'), { mode: 0o640 });
  await device.run(['run', '--set-up', '--config', device.file]);
  await until('the set-up page', async () => (await fetch(`${device.url}/setup`)).ok);
  return device;
}

export const loaded = (page) => page.waitForSelector('body[data-loaded]');
const fault = (page, id) => page.waitForSelector(`[id="${id}"][aria-invalid=true]`);

const first = ['set-up: first configuration, and a change while the device runs', async (browser) => {
  const device = await unpacked('new-room');
  const visit = await open(browser, device, '/', PHONE);
  const { page } = visit;
  visit.allowed.push(/422/, /409/, /Failed to fetch|ERR_CONNECTION/);
  await loaded(page);
  assert.match(page.url(), /\/setup$/, 'every page redirects to the set-up');
  assert.equal((await fetch(`${device.url}/api/v1/mood`)).status, 404, 'nothing is estimated yet');
  await fits(page);
  await axe(page);

  // Missing keys are shown at their fields, with the messages of `moodring check --run`.
  await page.click('#check');
  await fault(page, 'purpose.jurisdiction');
  assert.match(await visit.text('.fault'), /purpose\.jurisdiction, purpose\.institution and purpose\.consent are missing/);
  await axe(page);
  await picture(page, 'page-setup-faults');
  await page.fill('[id="purpose.jurisdiction"]', 'DE');
  await page.selectOption('[id="purpose.institution"]', 'education');
  await page.fill('[id="purpose.consent"]', 'parents agreed in writing');
  await page.click('#check');
  await fault(page, 'mood.mode');
  assert.match(await visit.text('.fault'), /Article 5\(1\)\(f\) of Regulation \(EU\) 2024\/1689/);
  await page.fill('[id="purpose.jurisdiction"]', 'IN');
  await page.fill('[id="room.site"]', 'north');
  await page.fill('[id="room.name"]', 'a/b');
  await page.fill('[id="mood.min_people"]', '2');
  await page.click('#check');
  await fault(page, 'room.name');
  await fault(page, 'mood.min_people');
  await page.fill('[id="room.name"]', 'Room 7b');
  await page.fill('[id="mood.min_people"]', '6');
  assert.equal(await page.inputValue('#camera'), 'simulator');
  assert.equal(await page.inputValue('[id="camera.view"]'), 'room');
  assert.ok(await page.locator('#view-hint').isHidden());
  await page.selectOption('[id="camera.view"]', 'gallery');
  assert.match(await visit.text('#view-hint'), /Everybody in the call must be informed/);

  // The broker: first a port without a listener, then a real one.
  await page.selectOption('[id="mqtt.broker"]', 'external');
  await page.fill('[id="mqtt.host"]', '127.0.0.1');
  await page.fill('[id="mqtt.port"]', String(await freePort()));
  await page.click('#try');
  await page.waitForFunction(() => /No program listens there/.test(document.getElementById('tried').textContent));
  const broker = await startBroker();
  if (broker) {
    await page.fill('[id="mqtt.port"]', String(broker));
    await until('the broker', async () => {
      await page.click('#try');
      await page.waitForFunction(() => !/…$/.test(document.getElementById('tried').textContent));
      return page.locator('#tried.works').count();
    });
  } else {
    console.log('        SKIPPED: the broker: mosquitto is not installed');
  }
  await page.fill('[id="mqtt.username"]', 'room-7b');
  await page.fill('[id="mqtt.password_file"]', 'very secret');
  await page.selectOption('[id="lessons.begin"]', 'timetable');
  await page.click('#add');
  await page.fill('#timetable .time', '08:30');
  await page.fill('#timetable .title', 'Maths');
  await fits(page);
  await axe(page);
  await picture(page, 'page-setup');

  const before = readFileSync(device.file, 'utf8');
  await page.click('#check');
  await page.waitForSelector('#changes:not([hidden])');
  const shown = await visit.text('#difference');
  for (const line of [/\+ name = "Room 7b"/, /\+ jurisdiction = "IN"/, /\+ min_people = 6/, /\+ view = "gallery"/, /begin = "30 8 \* \* MON-FRI", minutes = 45, title = "Maths"/]) {
    assert.match(shown, line);
  }
  assert.doesNotMatch(shown, /very secret/);
  assert.equal(readFileSync(device.file, 'utf8'), before, 'nothing is written before the difference was shown');
  await fits(page);
  await axe(page);
  await picture(page, 'page-setup-changes');
  await page.click('#save');
  await page.waitForSelector('#open:not([hidden])', { timeout: 90_000 });
  await axe(page);
  const after = readFileSync(device.file, 'utf8');
  assert.ok(after.startsWith('# Ours.\n[web]\n') && after.includes('# kept here') && !after.includes('very secret'), after);
  assert.equal(statSync(device.file).mode & 0o777, 0o640);
  const password = join(device.folder, 'state', 'mqtt-password');
  assert.equal(readFileSync(password, 'utf8'), 'very secret\n');
  assert.equal(statSync(password).mode & 0o777, 0o600);

  await page.click('#open a');
  await stateIs(page, 'live');
  await page.waitForFunction(() => document.getElementById('place').textContent === 'north · Room 7b');
  assert.match(await visit.text('#people'), /^\d+$/);
  assert.ok(await page.locator('#new').isHidden(), 'the device is set up');

  // While the device runs: keys that apply at once, and keys that need a restart.
  await page.goto(`${device.url}/setup`);
  await loaded(page);
  assert.equal(await page.inputValue('[id="room.name"]'), 'Room 7b');
  await page.fill('[id="room.name"]', '7c');
  await page.fill('#timetable .title', 'Physics');
  await page.click('#check');
  await page.waitForSelector('#changes:not([hidden])');
  // The file is changed by someone else meanwhile.
  writeFileSync(device.file, after.replace('# Ours.', '# Ours, too.'));
  await page.click('#save');
  await page.waitForFunction(() => /Somebody else changed the file/.test(document.getElementById('refused').textContent));
  await page.click('#check');
  await page.waitForSelector('#changes:not([hidden])');
  await page.click('#save');
  await page.waitForFunction(() => /restart of the program .*: room\.name/.test(document.getElementById('outcome').textContent));
  assert.match(device.log, /applied="?lessons\.timetable/);
  assert.match(readFileSync(device.file, 'utf8'), /# Ours, too\.[^]*name = "7c"/);
  await visit.close();
  await device.stop();
}];

const looks = ['set-up: small, wide, dark and Hindi', async (browser) => {
  const device = await unpacked('looks');
  for (const [name, options] of [['small', { ...SMALL, colorScheme: 'dark' }], ['desktop', DESKTOP], ['hindi', { ...PHONE, locale: 'hi-IN', colorScheme: 'dark' }]]) {
    const visit = await open(browser, device, '/setup', options);
    await loaded(visit.page);
    await visit.page.selectOption('[id="mqtt.broker"]', 'external');
    await visit.page.selectOption('[id="camera.view"]', 'gallery');
    await visit.page.selectOption('[id="lessons.begin"]', 'timetable');
    await visit.page.click('#add');
    await fits(visit.page);
    await axe(visit.page);
    await picture(visit.page, `page-setup-${name}`);
    await visit.close();
  }
  await device.stop();
}];

const foreign = ['set-up: a page of another origin can neither read nor change it', async () => {
  const device = await unpacked('foreign');
  const body = JSON.stringify({ values: { 'room.name': 'x' }, digest: '' });
  const post = (path, headers) => fetch(device.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body });
  for (const path of ['/api/v1/setup', '/api/v1/setup/check', '/api/v1/setup/broker']) {
    for (const headers of [{ origin: 'http://example.org' }, { origin: 'null' }, { 'sec-fetch-site': 'cross-site' }]) {
      assert.equal((await post(path, headers)).status, 403, path);
    }
  }
  assert.doesNotMatch(readFileSync(device.file, 'utf8'), /name = "x"/);
  await device.stop();
}];

export const setup = [first, looks, foreign];
