// The set-up page with protected brokers: a password, and TLS with a private CA.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PHONE, axe, open } from './browser.mjs';
import { folder, startBroker, until } from './device.mjs';
import { loaded, unpacked } from './setup.mjs';

/** Creates a self-signed CA certificate, or with `authority` a certificate for a broker at 127.0.0.1 signed by it. */
function certificate(name, authority) {
  const [key, pem] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
  const signed = authority ? ['-CA', authority.pem, '-CAkey', authority.key, '-addext', 'basicConstraints=critical,CA:FALSE'] : [];
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', pem,
    '-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', ...signed,
  ], { stdio: 'ignore' });
  return { key, pem };
}

/** Tests the connection until the page shows `expected`. A broker that was just started may not listen yet. */
async function waitForOutcome(page, expected) {
  await until(String(expected), async () => {
    await page.click('#try');
    await page.waitForFunction(() => document.getElementById('tried').textContent && !/…$/.test(document.getElementById('tried').textContent));
    return expected.test(await page.textContent('#tried'));
  }, 30_000);
}

const closed = ['set-up: a broker with a password and one with TLS', async (browser) => {
  const passwords = join(folder, 'passwords');
  try {
    execFileSync('mosquitto_passwd', ['-b', '-c', passwords, 'room-7b', 'right']);
  } catch {
    console.log('        SKIPPED: mosquitto is not installed');
    return;
  }
  const authority = certificate('authority');
  const { key, pem } = certificate('broker', authority);
  const secret = await startBroker(`allow_anonymous false\npassword_file ${passwords}\n`);
  const encrypted = await startBroker(`allow_anonymous true\ncertfile ${pem}\nkeyfile ${key}\n`);
  const device = await unpacked('closed-brokers');
  const visit = await open(browser, device, '/setup', PHONE);
  const { page } = visit;
  await loaded(page);
  await page.selectOption('[id="mqtt.broker"]', 'external');
  await page.fill('[id="mqtt.host"]', '127.0.0.1');

  await page.fill('[id="mqtt.port"]', String(secret));
  await waitForOutcome(page, /does not accept this user name or password/);
  await page.fill('[id="mqtt.username"]', 'room-7b');
  await page.fill('[id="mqtt.password_file"]', 'wrong');
  await waitForOutcome(page, /does not accept this user name or password/);
  await axe(page);
  await page.fill('[id="mqtt.password_file"]', 'right');
  await waitForOutcome(page, /broker accepts this device/);

  await page.fill('[id="mqtt.port"]', String(encrypted));
  await waitForOutcome(page, /whether the broker expects TLS/);
  await page.check('[id="mqtt.tls.enabled"]');
  await waitForOutcome(page, /cannot be trusted/);
  // The page takes no path, so the file of the authority is named in the configuration file.
  const text = readFileSync(device.file, 'utf8');
  const trust = (path) => writeFileSync(device.file, `${text}\n[mqtt.tls]\nenabled = true\nca_file = "${path}"\n`);
  trust(certificate('other').pem);
  await waitForOutcome(page, /cannot be trusted/);
  trust(join(folder, 'nothing.pem'));
  await waitForOutcome(page, /cannot be trusted/);
  trust(authority.pem);
  await waitForOutcome(page, /broker accepts this device/);
  await visit.close();
  await device.stop();
}];

export const brokers = [closed];
