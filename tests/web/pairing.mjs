// A phone in the network: refused, paired with a code, and its permissions after that.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { PHONE, axe, fits, open } from './browser.mjs';
import { Device, freePort, until } from './device.mjs';
import { picture, stateIs } from './live.mjs';

// The device's certificate is self-signed, so the browser does not trust it.
const UNPAIRED = { ...PHONE, ignoreHTTPSErrors: true };

/** An IPv4 address of this machine outside loopback, if any. */
export const address = () => Object.values(networkInterfaces()).flat().find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

export const code = (device) => execFileSync(process.env.MOODRING, ['pair', '--config', join(device.folder, 'moodring.toml')], { encoding: 'utf8' })
  .match(/type (\d{6})$/m)[1];

const statusOf = (page, path, method = 'GET', body) => page.evaluate(async (request) => {
  const { path: where, ...options } = request;
  return (await fetch(where, options)).status;
}, { path, method, ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }) });

const pairing = ['a phone in the network: wrong codes, the right code, one phone per code', async (browser) => {
  const here = address();
  if (!here) {
    console.log('        SKIPPED: this machine has no address but its own');
    return;
  }
  const device = new Device('room-5', '[camera.simulator]\npeople = 12\nframes_per_s = 2\n[mood]\npublish_every_s = 0.5\n');
  [device.port, device.host, device.scheme] = [await freePort(), here, 'https'];
  await device.start();

  const visit = await open(browser, device, '/', UNPAIRED);
  const { page } = visit;
  visit.allowed.push(/40[139]/);
  assert.match(page.url(), /\/pair$/, 'an unpaired phone gets only the pairing page');
  assert.equal(await statusOf(page, '/api/v1/mood'), 401);
  assert.equal(await statusOf(page, '/api/v1/pause', 'POST', { paused: true }), 401);
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
  // The first paired phone is the administrator.
  assert.equal(await statusOf(page, '/api/v1/setup'), 200);

  const second = await open(browser, device, '/', UNPAIRED);
  second.allowed.push(/40[139]/);
  await second.page.fill('#code', right);
  await second.page.keyboard.press('Enter');
  await second.page.waitForFunction(() => /shows no code/.test(document.getElementById('refused').textContent));
  await second.page.fill('#code', code(device));
  await second.page.keyboard.press('Enter');
  await stateIs(second.page, 'live');
  assert.equal(await statusOf(second.page, '/api/v1/setup'), 403, 'a teacher may not open the set-up');
  assert.equal(await statusOf(second.page, '/api/v1/aim?viewer=x'), 403);
  assert.equal(await statusOf(second.page, '/api/v1/sensitivity', 'POST', { sensitivity: 'calm' }), 200);
  await page.waitForSelector('#sensitivity [value=calm]:checked');

  // A changed cookie is refused.
  await second.context.addCookies([{ ...(await second.context.cookies())[0], value: `${cookie.value.slice(0, -4)}AAAA` }]);
  assert.equal(await statusOf(second.page, '/api/v1/mood'), 401);
  assert.equal(await statusOf(page, '/api/v1/unpair', 'POST', {}), 204);
  await until('the pairing page', async () => {
    await page.goto(device.url);
    return page.url().endsWith('/pair');
  });
  assert.doesNotMatch(device.log, new RegExp(right), 'a code is in no log');
  await second.close();
  await visit.close();
  await device.stop();
}];

export const paired = [pairing];
