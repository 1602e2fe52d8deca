// A phone in the network: refused, paired by the code that the device gives, and what it may then.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { PHONE, axe, fits, open } from './browser.mjs';
import { Device, freePort, until } from './device.mjs';
import { picture, stateIs } from './live.mjs';

// The device's certificate is its own, which a browser does not know.
const STRANGER = { ...PHONE, ignoreHTTPSErrors: true };

/** An address of this machine that others could reach, or none. */
const address = () => Object.values(networkInterfaces()).flat().find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

const code = (device) => execFileSync(process.env.MOODRING, ['pair', '--config', join(device.folder, 'moodring.toml')], { encoding: 'utf8' })
  .match(/type (\d{6})$/m)[1];

const asked = (page, path, method = 'GET', body) => page.evaluate(async (wish) => {
  const { path: where, ...options } = wish;
  return (await fetch(where, options)).status;
}, { path, method, ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }) });

const pairing = ['a phone in the network: wrong codes, the right one, and one phone a code', async (browser) => {
  const here = address();
  if (!here) {
    console.log('        SKIPPED: this machine has no address but its own');
    return;
  }
  const device = new Device('room-5', '[camera.simulator]\npeople = 12\nframes_per_s = 2\n[mood]\npublish_every_s = 0.5\n');
  [device.port, device.host, device.scheme] = [await freePort(), here, 'https'];
  await device.start();

  const visit = await open(browser, device, '/', STRANGER);
  const { page } = visit;
  visit.allowed.push(/40[139]/);
  assert.match(page.url(), /\/pair$/, 'nothing is told to a stranger');
  assert.equal(await asked(page, '/api/v1/mood'), 401);
  assert.equal(await asked(page, '/api/v1/pause', 'POST', { paused: true }), 401);
  await fits(page);
  await axe(page);
  await picture(page, 'page-pair');
  const type = async (digits) => {
    await page.fill('#code', digits);
    await page.keyboard.press('Enter');
  };
  await type('000000');
  await page.waitForFunction(() => /shows no code/.test(document.getElementById('refused').textContent));
  const right = code(device);
  await type(right === '123456' ? '654321' : '123456');
  await page.waitForFunction(() => /not the code on the display/.test(document.getElementById('refused').textContent));
  await axe(page);
  await type(right);
  await stateIs(page, 'live');
  assert.ok(!page.url().endsWith('/pair'));
  const [cookie] = await visit.context.cookies();
  assert.ok(cookie.httpOnly && cookie.secure && cookie.sameSite === 'Strict', JSON.stringify(cookie));
  // Who was first is the administrator.
  assert.equal(await asked(page, '/api/v1/setup'), 200);

  const second = await open(browser, device, '/', STRANGER);
  second.allowed.push(/40[139]/);
  await second.page.fill('#code', right);
  await second.page.keyboard.press('Enter');
  await second.page.waitForFunction(() => /shows no code/.test(document.getElementById('refused').textContent));
  await second.page.fill('#code', code(device));
  await second.page.keyboard.press('Enter');
  await stateIs(second.page, 'live');
  assert.equal(await asked(second.page, '/api/v1/setup'), 403, 'a teacher does not set it up');
  assert.equal(await asked(second.page, '/api/v1/aim?viewer=x'), 403);
  assert.equal(await asked(second.page, '/api/v1/sensitivity', 'POST', { sensitivity: 'calm' }), 200);
  await page.waitForSelector('#sensitivity [value=calm]:checked');

  // Whoever holds the cookie of another device, or a changed one, is a stranger.
  await second.context.addCookies([{ ...(await second.context.cookies())[0], value: `${cookie.value.slice(0, -4)}AAAA` }]);
  assert.equal(await asked(second.page, '/api/v1/mood'), 401);
  assert.equal(await asked(page, '/api/v1/unpair', 'POST', {}), 204);
  await until('the way to be paired anew', async () => {
    await page.goto(device.url);
    return page.url().endsWith('/pair');
  });
  assert.doesNotMatch(device.log, new RegExp(right), 'a code is in no log');
  await second.close();
  await visit.close();
  await device.stop();
}];

export const paired = [pairing];
