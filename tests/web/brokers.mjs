// The set-up page against brokers that are not open: a password, and TLS with an authority of one's own.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { PHONE, axe, open } from './browser.mjs';
import { folder, startBroker, until } from './device.mjs';
import { loaded, unpacked } from './setup.mjs';

/** An authority of one's own, or what one vouches for: a broker at 127.0.0.1. */
function certificate(name, authority) {
  const [key, pem] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
  const vouched = authority ? ['-CA', authority.pem, '-CAkey', authority.key, '-addext', 'basicConstraints=critical,CA:FALSE'] : [];
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', pem,
    '-days', '2', '-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1', ...vouched,
  ], { stdio: 'ignore' });
  return { key, pem };
}

/** Tries the connection until the page says `words`: a broker that was only just started may not listen yet. */
async function tried(page, words) {
  await until(String(words), async () => {
    await page.click('#try');
    await page.waitForFunction(() => document.getElementById('tried').textContent && !/…$/.test(document.getElementById('tried').textContent));
    return words.test(await page.textContent('#tried'));
  }, 30_000);
}

const closed = ['set-up: a broker with a password and one with TLS are told apart from open ones', async (browser) => {
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
  await tried(page, /does not accept this user name or password/);
  await page.fill('[id="mqtt.username"]', 'room-7b');
  await page.fill('[id="mqtt.password_file"]', 'wrong');
  await tried(page, /does not accept this user name or password/);
  await axe(page);
  await page.fill('[id="mqtt.password_file"]', 'right');
  await tried(page, /lets this device in/);

  await page.fill('[id="mqtt.port"]', String(encrypted));
  await tried(page, /whether it expects TLS/);
  await page.check('[id="mqtt.tls.enabled"]');
  await tried(page, /cannot be trusted/);
  await page.fill('[id="mqtt.tls.ca_file"]', certificate('other').pem);
  await tried(page, /cannot be trusted/);
  await page.fill('[id="mqtt.tls.ca_file"]', join(folder, 'nothing.pem'));
  await tried(page, /cannot be trusted/);
  await page.fill('[id="mqtt.tls.ca_file"]', authority.pem);
  await tried(page, /lets this device in/);
  await visit.close();
  await device.stop();
}];

export const brokers = [closed];
