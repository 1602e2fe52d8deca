// The page behind a real reverse proxy with a name, a port and a path of its own, and in more tabs than a browser has connections.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open, PHONE } from './browser.mjs';
import { atEnd, Device, folder, freePort, until } from './device.mjs';
import { stateIs } from './live.mjs';
import { address, code } from './pairing.mjs';

const NGINX = '/usr/sbin/nginx';
const TABS = 7;

/** Starts nginx, which serves `device` at `path`; `host`: what it passes on as Host. Returns its port. */
async function startProxy(device, path, host) {
  const port = await freePort();
  const place = join(folder, `nginx-${port}`);
  mkdirSync(place);
  const file = join(place, 'nginx.conf');
  writeFileSync(file, `daemon off; pid ${place}/pid; error_log ${place}/log; worker_processes 1;
    events { worker_connections 64; }
    http {
      access_log off;
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${place}/${kind};`).join('\n')}
      server { listen 127.0.0.1:${port}; location ${path}/ { proxy_pass ${device.url}/; proxy_set_header Host ${host}; } }
    }`);
  const child = spawn(NGINX, ['-c', file], { stdio: 'ignore' });
  atEnd(() => child.kill('SIGKILL'));
  await until('the proxy', () => fetch(`http://127.0.0.1:${port}/`).then(() => true));
  return port;
}

const setHidden = (page, hidden) => page.evaluate((value) => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
  document.dispatchEvent(new Event('visibilitychange'));
}, hidden);

const proxied = ['behind nginx with another name, port and path: pairing, events at once, seven tabs', async (browser) => {
  const here = address();
  if (!here || !existsSync(NGINX)) {
    console.log(`        SKIPPED: ${here ? 'nginx is missing' : 'this machine has no address but its own'}`);
    return;
  }
  const device = new Device('room-6', '[camera.simulator]\npeople = 12\nframes_per_s = 2\n[mood]\npublish_every_s = 0.5\n');
  device.web = ['https = "off"', 'names = ["localhost"]', 'path_prefix = "/b-214"', 'metrics = "open"'];
  [device.port, device.host] = [await freePort(), here];
  await device.start();
  // $host is without the port that the browser typed; $proxy_host is the device's own address.
  for (const host of ['$host', '$proxy_host']) {
    const proxy = { url: `http://localhost:${await startProxy(device, '/b-214', host)}` };
    const visit = await open(browser, proxy, '/b-214/', PHONE);
    visit.allowed.push(/40[13]/);
    assert.match(visit.page.url(), /\/b-214\/pair$/);
    await visit.page.fill('#code', code(device));
    await visit.page.keyboard.press('Enter');
    await stateIs(visit.page, 'live');
    const [cookie] = await visit.context.cookies();
    assert.equal(cookie.path, '/b-214/');
    const { page: first, context } = visit;
    for (let tab = 1; tab < TABS; tab += 1) {
      const others = context.pages();
      await setHidden(others.at(-1), true);
      const page = await context.newPage();
      // A teacher, who may not aim, is sent to the first page.
      await page.goto(`${proxy.url}/b-214/${tab % 2 ? 'aim' : ''}`);
      await page.waitForFunction(() => document.body.dataset.state === 'live' || document.getElementById('closed'));
    }
    const last = context.pages().at(-1);
    await last.click('#pause');
    await stateIs(last, 'paused');
    await last.click('#pause');
    await stateIs(last, 'live');
    await setHidden(first, false);
    await stateIs(first, 'live');
    await visit.close();
  }
  // Under a name that is not configured the page says why, and never that the device does not answer.
  const foreign = { url: `http://127.0.0.1:${await startProxy(device, '', '$proxy_host')}` };
  const visit = await open(browser, foreign, '/pair', PHONE);
  visit.allowed.push(/403/);
  await visit.page.fill('#code', '123456');
  await visit.page.keyboard.press('Enter');
  await visit.page.waitForFunction(() => /web\.names/.test(document.getElementById('refused').textContent));
  await visit.close();
  await device.stop();
}];

export const proxies = [proxied];
