// The real browser, and checks for every page: all requests go to the device, no errors, no axe violations.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const ARGUMENTS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/** Starts Chromium with a temporary profile. */
export const launch = () => chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGUMENTS });

export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
export const SMALL = { ...PHONE, viewport: { width: 320, height: 640 } };
export const DESKTOP = { viewport: { width: 1100, height: 900 } };

/** Opens `path` of `device`. `visit.foreign`, `.errors` and `.bytes` collect requests to other hosts, errors and received bytes. */
export async function open(browser, device, path = '/', options = PHONE) {
  const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options });
  const page = await context.newPage();
  const visit = { context, page, foreign: [], errors: [], bytes: 0, allowed: [] };
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url());
    if (origin !== device.url && protocol !== 'data:') visit.foreign.push(request.url());
  });
  page.on('pageerror', (error) => visit.errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && !visit.allowed.some((allowed) => allowed.test(message.text()))) {
      visit.errors.push(message.text());
    }
  });
  const client = await context.newCDPSession(page);
  await client.send('Network.enable');
  client.on('Network.dataReceived', ({ dataLength }) => { visit.bytes += dataLength; });
  client.on('Network.responseReceived', ({ response }) => { visit.bytes += response.headersText?.length ?? 300; });
  visit.client = client;
  await page.goto(device.url + path);
  visit.text = (selector) => page.locator(selector).innerText();
  visit.close = async () => {
    await context.close();
    assert.deepEqual(visit.foreign, [], 'requests outside the device');
    assert.deepEqual(visit.errors, [], 'errors in the browser');
  };
  return visit;
}

/** Runs axe-core with all its rules (WCAG 2.2 A and AA, best practices). Returns the number of passed rules. */
export async function axe(page) {
  // Evaluated by the debugger, to which the page's content security policy does not apply.
  await page.evaluate(AXE);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run(document));
  const messages = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`);
  assert.deepEqual(messages, [], 'axe');
  assert.ok(passes.length > 15, `axe passed only ${passes.length} rules`);
  return passes.length;
}

/** Checks that the page is not wider than the screen. */
export async function fits(page) {
  const [needed, available] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(needed <= available, `the page is ${needed} px wide on a screen of ${available}`);
}
