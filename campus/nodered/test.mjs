// The overview as its user meets it: Mosquitto with the shipped access list, Node-RED with the shipped flow, devices that
// tell by the contract, and a real browser that looks and presses "Pause". Everything on loopback, ended after two minutes.
// Usage: node test.mjs [SCREENSHOT.png]     without its programs it says SKIPPED, unless MOODRING_REQUIRE_CAMPUS=1

import assert from 'node:assert/strict';
import { spawn, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { health, mood, rooms, status } from './test/rooms.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const CHROMIUM = '/usr/bin/chromium';
const BROWSER_ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

const mosquitto = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto'].find(existsSync);
const missing = [
  [mosquitto, 'Debian package mosquitto'], [existsSync(CHROMIUM), 'Debian package chromium'],
  [existsSync(join(here, 'node_modules/node-red')), 'npm packages: npm ci in campus/nodered'],
].filter(([there]) => !there).map(([, what]) => what);
if (missing.length) {
  console.error(`SKIPPED: nodered: missing: ${missing.join('; ')}; \`make nodered-test\` installs them`);
  process.exit(process.env.MOODRING_REQUIRE_CAMPUS === '1' ? 1 : 0);
}
const { chromium } = await import('playwright-core');
const { default: mqtt } = await import('mqtt');

const folder = mkdtempSync(join(tmpdir(), 'moodring-nodered-'));
const ending = [() => rmSync(folder, { recursive: true, force: true })];
const giveUp = setTimeout(() => { console.error('nodered: no end after two minutes'); finish(1); }, 120_000);

function finish(code) {
  clearTimeout(giveUp);
  for (const end of ending.splice(0).reverse()) try { end(); } catch { /* it is gone already */ }
  process.exit(code);
}

const freePort = () => new Promise(resolve => {
  const server = createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => resolve(port)); });
});

async function until(what, found) {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline;) {
    const value = await Promise.resolve().then(found).catch(() => null);
    if (value) return value;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  throw new Error(`${what} did not come`);
}

function start(program, options, extra = {}) {
  const child = spawn(program, options, { stdio: process.env.VERBOSE ? 'inherit' : 'ignore', ...extra });
  ending.push(() => child.kill('SIGKILL'));
  return child;
}

function startBroker(port) {
  const list = ['device,site,room', ...rooms.map(({ device, site, room }) => `${device},${site},${room}`)].join('\n');
  writeFileSync(join(folder, 'devices.csv'), `${list}\n`);
  execFileSync('python3', [join(here, '../access.py'), join(folder, 'devices.csv'), folder]);
  const user = process.getuid() === 0 ? 'user root' : '';
  writeFileSync(join(folder, 'mosquitto.conf'), `listener ${port} 127.0.0.1\nallow_anonymous false\npassword_file ${folder}/mosquitto.users\nacl_file ${folder}/mosquitto.acl\n${user}\n`);
  start(mosquitto, ['-c', join(folder, 'mosquitto.conf')]);
}

const password = user => readFileSync(join(folder, 'passwords', user), 'utf8').trim();

function connect(port, user) {
  const client = mqtt.connect(`mqtt://127.0.0.1:${port}`, { username: user, password: password(user), reconnectPeriod: 200, protocolVersion: 4 });
  client.on('error', () => {});
  ending.push(() => client.end(true));
  return client;
}

const tell = (client, room, leaf, payload) => client.publishAsync(`moodring/${room.site}/${room.room}/${leaf}`, JSON.stringify(payload), { qos: 1, retain: leaf !== 'reply' });

async function tellAll(port) {
  const devices = new Map();
  for (const room of rooms) {
    const client = connect(port, room.device);
    devices.set(room.room, client);
    await tell(client, room, 'status', status(room));
    await tell(client, room, 'health', health(room));
    await tell(client, room, 'mood', mood(room));
  }
  return devices;
}

function startNodeRed(port, brokerPort) {
  const environment = {
    ...process.env, PORT: String(port), MOODRING_NODERED_DIR: join(folder, 'node-red'), MOODRING_BROKER_HOST: '127.0.0.1', MOODRING_BROKER_PORT: String(brokerPort),
    MOODRING_BROKER_USER: 'moodring-dashboard', MOODRING_BROKER_PASSWORD: password('moodring-dashboard'),
  };
  start(process.execPath, [join(here, 'node_modules/node-red/red.js'), '--settings', join(here, 'settings.cjs'), join(here, 'flows.json')], { env: environment });
}

async function openPage(url) {
  const context = await chromium.launchPersistentContext(join(folder, 'browser'), {
    executablePath: CHROMIUM, headless: true, args: BROWSER_ARGUMENTS, viewport: { width: 1280, height: 860 }, deviceScaleFactor: 1.5, colorScheme: 'light',
  });
  ending.push(() => context.close());
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', error => errors.push(String(error)));
  page.on('console', message => { if (message.type() === 'error') errors.push(message.text()); });
  await page.goto(url);
  return { context, page, errors };
}

const brokerPort = await freePort();
const port = await freePort();
const url = `http://127.0.0.1:${port}/moodring/`;
const results = [];

async function check(name, body) {
  try {
    await body();
    results.push(true);
    console.log(`ok      ${name}`);
  } catch (error) {
    results.push(false);
    console.log(`FAILED  ${name}: ${error.message}`);
  }
}

try {
  startBroker(brokerPort);
  const devices = await tellAll(brokerPort);
  startNodeRed(port, brokerPort);
  await until('Node-RED', async () => (await (await fetch(`${url}state`)).json()).rooms.length === rooms.length);
  const { context, page, errors } = await openPage(url);
  const card = room => page.locator(`[data-room$="/${room}"]`);
  const text = (room, part) => card(room).locator(part).innerText();
  const barOf = (room, figure) => card(room).locator(`[data-figure="${figure}"] .fill`).evaluate(fill => parseFloat(fill.style.width) / 100 * Number(fill.offsetWidth > 0));
  await card('lab').waitFor();

  await check('a room shows its word, people, facing and engagement', async () => {
    assert.equal(await text('a-101', '.word'), 'attentive');
    assert.equal(await text('a-101', '.number'), '28');
    assert.equal(await text('a-101', '[data-figure="facing"] b'), '82 %');
    assert.ok(await barOf('a-101', 'facing') > 0.8 && await barOf('a-103', 'facing') < 0.5);
    assert.equal(await text('a-101', '[data-figure="engagement"] b'), '66 %');
    assert.equal(await text('a-103', '.pace'), 'too slow?');
  });
  await check('a class of too few shows no figures', async () => {
    assert.equal(await text('c-2', '.pill'), 'too few');
    assert.equal(await text('c-2', '.number'), '–');
    assert.equal(await card('c-2').locator('.shares i').count(), 0);
  });
  await check('the totals are those of live classes', async () => {
    const live = rooms.filter(room => !room.state);
    assert.equal(await page.locator('#classes').innerText(), String(live.length));
    assert.equal(await page.locator('#people').innerText(), String(live.reduce((sum, room) => sum + room.people, 0)));
    assert.equal(await page.locator('#troubles').innerText(), '1');
  });
  await check('a camera that is gone is told, and stands first', async () => {
    assert.match(await text('c-1', 'p.trouble'), /camera is gone/);
    assert.equal(await page.locator('.card h2').first().innerText(), 'c-1');
  });
  await check('a new mood comes by itself', async () => {
    await tell(devices.get('a-102'), rooms[1], 'mood', mood({ ...rooms[1], people: 33 }));
    await until('33 people', async () => (await text('a-102', '.number')) === '33');
  });
  await check('Pause reaches the room, once and not retained, and its answer is seen', async () => {
    const device = devices.get('b-214');
    const commands = [];
    device.on('message', (topic, payload, packet) => commands.push({ topic, retain: packet.retain, ...JSON.parse(payload) }));
    await device.subscribeAsync('moodring/north-campus/b-214/cmd/+', { qos: 1 });
    await card('b-214').getByRole('button', { name: 'Pause' }).click();
    const command = await until('the command', () => commands[0]);
    assert.deepEqual([command.topic, command.paused, command.retain], ['moodring/north-campus/b-214/cmd/pause', true, false]);
    assert.ok(command.id.length <= 64, command.id);
    const room = rooms[3];
    await tell(device, room, 'reply', { schema: 'moodring.reply/1', site: room.site, room: room.room, device: room.device, at: new Date().toISOString(), command: 'pause', id: command.id, ok: true, error: null });
    await tell(device, room, 'mood', mood(room, 'paused'));
    await until('Resume', async () => (await text('b-214', '.pause')) === 'Resume');
    assert.equal(await text('b-214', '.pill'), 'paused');
    assert.equal(commands.length, 1);
  });
  await check('a refusal is told', async () => {
    const room = rooms[4];
    await tell(devices.get('b-215'), room, 'reply', { schema: 'moodring.reply/1', site: room.site, room: room.room, device: room.device, at: new Date().toISOString(), command: 'pause', id: null, ok: false, error: 'the privacy switch is closed' });
    await until('the refusal', async () => /privacy switch/.test(await text('b-215', 'p.trouble')));
  });
  await check('a device that the broker has lost is told', async () => {
    await tell(devices.get('lab'), rooms[7], 'status', status(rooms[7], 'offline', 'lost'));
    await until('offline', async () => (await text('lab', '.pill')) === 'offline');
    assert.ok(await card('lab').getByRole('button').isDisabled());
  });
  await check('the picture for the documentation', async () => {
    await until('b-215', async () => (await text('b-215', '.pill')) === 'live');
    if (process.argv[2]) await page.screenshot({ path: process.argv[2], fullPage: true, animations: 'disabled' });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${overflow} px too wide`);
    await page.setViewportSize({ width: 360, height: 780 });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'too wide for a phone');
  });
  await check('other sites and unknown rooms cannot be asked to pause', async () => {
    const post = (headers, body) => fetch(`${url}pause`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
    assert.equal((await post({}, { site: 'north-campus', room: 'a-101', paused: true })).status, 403);
    assert.equal((await post({ 'x-moodring': '1' }, { site: '+', room: '#', paused: true })).status, 400);
    assert.equal((await fetch(`http://127.0.0.1:${port}/flows`)).status, 404);
  });
  await check('the page has no errors', () => assert.deepEqual(errors, []));
  await context.close();
} catch (error) {
  results.push(false);
  console.log(`FAILED  ${error.stack}`);
}
const failed = results.filter(passed => !passed).length;
console.log(`nodered: ${results.length - failed} passed, ${failed} failed`);
finish(failed ? 1 : 0);
