// The real program with a short configuration, a simulated class and a real broker, on loopback and in a temporary folder.
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = process.env.MOODRING;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TIMEOUT_MS = 90_000;
const ending = [];

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Waits until `found` returns a truthy value, and returns it. */
export async function until(what, found, timeout = TIMEOUT_MS) {
  let last;
  for (const deadline = Date.now() + timeout; Date.now() < deadline; await sleep(150)) {
    try {
      const value = await found();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
  }
  throw new Error(`timeout while waiting for ${what}${last ? `: ${last.message}` : ''}`);
}

export const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

export const folder = mkdtempSync(join(tmpdir(), 'moodring-web-'));
ending.push(() => rmSync(folder, { recursive: true, force: true }));

/** Runs all clean-up functions, the newest first. */
export async function endAll() {
  for (const end of ending.splice(0).reverse()) {
    try { await end(); } catch { /* it has ended already */ }
  }
}
export const atEnd = (end) => ending.push(end);

/** A broker on a free port, or null if mosquitto is not installed; `settings`: more lines of its configuration. */
export async function startBroker(settings = 'allow_anonymous true\n') {
  const program = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto'].find(existsSync);
  if (!program) return null;
  const port = await freePort();
  const file = join(folder, `mosquitto-${port}.conf`);
  // Without `user`, mosquitto drops root privileges and cannot read this folder.
  writeFileSync(file, `user ${userInfo().username}\nlistener ${port} 127.0.0.1\npersistence false\n${settings}`);
  const child = spawn(program, ['-c', file], { stdio: 'ignore' });
  ending.push(() => child.kill('SIGKILL'));
  return port;
}

/** The retained message of `topic`, parsed as JSON. */
export const retained = (port, topic) => new Promise((resolve, reject) => {
  const options = ['-h', '127.0.0.1', '-p', String(port), '-t', topic, '-C', '1', '-W', '5'];
  execFile('mosquitto_sub', options, (error, text) => (error ? reject(error) : resolve(JSON.parse(text))));
});

/** Publishes `payload` as JSON. */
export const publish = (port, topic, payload) => new Promise((resolve, reject) => {
  const options = ['-h', '127.0.0.1', '-p', String(port), '-t', topic, '-q', '1', '-m', JSON.stringify(payload)];
  execFile('mosquitto_pub', options, (error) => (error ? reject(error) : resolve()));
});

export class Device {
  /** `settings`: TOML that is appended to the configuration. */
  constructor(name, settings) {
    this.name = name;
    this.settings = settings;
    [this.scheme, this.host] = ['http', '127.0.0.1'];
    this.folder = join(folder, name);
    mkdirSync(this.folder, { recursive: true });
  }

  get display() { return join(this.folder, 'display.png'); }
  get log() { return readFileSync(join(this.folder, 'log'), 'utf8'); }

  async start() {
    this.port ??= await freePort();
    this.url = `${this.scheme}://${this.host}:${this.port}`;
    const file = join(this.folder, 'moodring.toml');
    writeFileSync(file, [
      '[purpose]', 'jurisdiction = "IN"', 'institution = "education"', 'consent = "a test"',
      '[storage]', `directory = "${join(this.folder, 'state')}"`,
      '[room]', 'site = "school"', `name = "${this.name}"`,
      '[web]', `listen = "${this.host}:${this.port}"`, 'announce = false', ...(this.web ?? []),
      '[display]', 'kind = "png"', `path = "${this.display}"`,
      this.settings,
    ].join('\n'));
    await this.run(['run', '--config', file]);
    await until(`the page of ${this.name}`, async () => {
      if (this.child.exitCode != null) throw new Error(`it ended: ${this.log.slice(-2000)}`);
      // The certificate is self-signed; an answer with an untrusted certificate counts too.
      return (await fetch(`${this.url}/healthz`).catch(({ cause }) => ({ ok: /CERT/.test(cause?.code) }))).ok;
    });
    return this;
  }

  /** Starts the program; its log goes to a file. */
  async run(parameters) {
    const out = openSync(join(this.folder, 'log'), 'a');
    this.child = spawn(PROGRAM, parameters, { stdio: ['ignore', out, out], cwd: ROOT });
    ending.push(() => this.stop());
  }

  async stop() {
    if (this.child.exitCode != null || this.child.signalCode != null) return;
    const ended = new Promise((resolve) => { this.child.once('exit', resolve); });
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
  }

  mood() { return fetch(`${this.url}/api/v1/mood`).then((answer) => answer.json()); }
}
