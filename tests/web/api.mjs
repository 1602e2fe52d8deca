// Checks the API against its OpenAPI document: schemathesis sends valid and invalid requests and checks every response.
// Usage: MOODRING=PROGRAM SCHEMATHESIS=PROGRAM node api.mjs [MAX EXAMPLES PER OPERATION]
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Device, endAll, until } from './device.mjs';

// Excluded: the endless event stream, and connections to made-up brokers.
const EXCLUDED = ['/api/v1/events', '/api/v1/setup/broker'];

const camera = '[camera.simulator]\npeople = 12\nframes_per_s = 1\n';
const device = await new Device('room-1', camera).start();
try {
  await until('the first picture', async () => (await device.mood()).state !== 'starting');
  // Records a lesson, so that requests for lessons can succeed.
  for (const action of [{ action: 'begin', title: 'Physics' }, { action: 'end' }]) {
    await fetch(`${device.url}/api/v1/lesson`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(action) });
  }
  const options = [
    '--config-file', fileURLToPath(new URL('schemathesis.toml', import.meta.url)), 'run', `${device.url}/api/v1/openapi.json`, '--url', device.url, '--phases', 'examples,coverage,fuzzing', '--seed', '1',
    '--max-examples', process.argv[2] ?? '20', '--request-timeout', '10', '--suppress-health-check', 'all', '--continue-on-failure', '--warnings', 'off',
    ...EXCLUDED.flatMap((path) => ['--exclude-path', path]),
  ];
  const child = spawn(process.env.SCHEMATHESIS, options, { stdio: 'inherit', cwd: device.folder });
  const status = await new Promise((resolve) => { child.once('exit', resolve); });
  const healthy = device.child.exitCode == null && (await fetch(`${device.url}/healthz`)).ok;
  if (!healthy) console.log('FAILED: the device did not survive the requests');
  process.exitCode = status === 0 && healthy ? 0 : 1;
} finally {
  await endAll();
}
