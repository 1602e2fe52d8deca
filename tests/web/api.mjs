// The API against its own document: schemathesis asks what the document allows and what it forbids, and looks at every answer.
// Usage: MOODRING=PROGRAM SCHEMATHESIS=PROGRAM node api.mjs [EXAMPLES FOR EACH ADDRESS]
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Device, endAll, until } from './device.mjs';

// Not asked: events without end, and a connection to whatever broker is made up.
const LEFT_OUT = ['/api/v1/events', '/api/v1/setup/broker'];

const camera = '[camera.simulator]\npeople = 12\nframes_per_s = 1\n';
const device = await new Device('room-1', camera).start();
try {
  await until('the first picture', async () => (await device.mood()).state !== 'starting');
  // A lesson to ask for.
  for (const action of [{ action: 'begin', title: 'Physics' }, { action: 'end' }]) {
    await fetch(`${device.url}/api/v1/lesson`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(action) });
  }
  const options = [
    '--config-file', fileURLToPath(new URL('schemathesis.toml', import.meta.url)), 'run', `${device.url}/api/v1/openapi.json`, '--url', device.url, '--phases', 'examples,coverage,fuzzing', '--seed', '1',
    '--max-examples', process.argv[2] ?? '20', '--request-timeout', '10', '--suppress-health-check', 'all', '--continue-on-failure', '--warnings', 'off',
    ...LEFT_OUT.flatMap((path) => ['--exclude-path', path]),
  ];
  const child = spawn(process.env.SCHEMATHESIS, options, { stdio: 'inherit', cwd: device.folder });
  const status = await new Promise((resolve) => { child.once('exit', resolve); });
  const healthy = device.child.exitCode == null && (await fetch(`${device.url}/healthz`)).ok;
  if (!healthy) console.log('FAILED: the device did not live through it');
  process.exitCode = status === 0 && healthy ? 0 : 1;
} finally {
  await endAll();
}
