// The attention plan (where help may be needed): a class of which a part is turned away for two minutes.
import assert from 'node:assert/strict';
import { DESKTOP, PHONE, SMALL, axe, fits, open } from './browser.mjs';
import { until } from './device.mjs';
import { classroom, turnedAway } from './devices.mjs';
import { picture, stateIs } from './live.mjs';

const begun = ['without [attention] the page shows no plan', async (browser) => {
  const device = await classroom();
  // Started here, because the last test needs its state after two minutes.
  await turnedAway();
  const visit = await open(browser, device);
  await stateIs(visit.page, 'live');
  assert.ok(await visit.page.locator('#attention').isHidden());
  assert.equal((await fetch(`${device.url}/api/v1/attention`)).status, 404);
  await visit.close();
}];

const plan = ['parts of the class that turned away are marked and named, and a pause clears them', async (browser) => {
  const device = await turnedAway();
  await until('a spot', async () => (await (await fetch(`${device.url}/api/v1/attention`)).json()).spots.length, 240_000);
  for (const [name, options, path] of [
    ['page-attention', PHONE, '/'], ['page-attention-320-hindi', { ...SMALL, colorScheme: 'dark' }, '/?language=hi'], ['page-attention-desktop', DESKTOP, '/'],
  ]) {
    const visit = await open(browser, device, path, options);
    await stateIs(visit.page, 'live');
    const section = visit.page.locator('#attention');
    await section.locator('.spot').first().waitFor();
    assert.equal(await section.locator('.spot').count(), await section.locator('#spots li').count());
    if (!path.includes('hi')) assert.match(await visit.text('#spots'), /^(Back|Left|Middle|Right|Front).*: turned away for [2-9] min$/m);
    await fits(visit.page);
    await axe(visit.page);
    await picture(section, name);
    await visit.close();
  }
  const visit = await open(browser, device);
  await visit.page.click('#pause');
  await until('an empty plan', async () => /No part of the class/.test(await visit.text('#spots')));
  assert.equal(await visit.page.locator('#attention .spot').count(), 0);
  assert.doesNotMatch(device.log, /turned_away|attention_off/);
  await visit.close();
  await device.stop();
}];

export const attentionFirst = [begun];
export const attention = [plan];
