// The camera preview for aiming: refused until it is offered at the device, shown after `moodring aim`, zones drawn.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DESKTOP, PHONE, SMALL, axe, fits, open } from './browser.mjs';
import { until } from './device.mjs';
import { classroom } from './devices.mjs';
import { picture, stateIs } from './live.mjs';

const run = promisify(execFile);
// The pending request for a picture gets status 403 when the preview ends.
const ENDED = /status of 403/;
const getPreview = (device) => fetch(`${device.url}/api/v1/aim?viewer=check`);
const aim = (device) => run(process.env.MOODRING, ['aim', '--config', join(device.folder, 'moodring.toml')]);
const shown = (page) => page.waitForFunction(() => !document.getElementById('view').hidden, null, { timeout: 60_000 });

const refused = ['the preview is refused without the button', async (browser) => {
  const device = await classroom();
  const answer = await getPreview(device);
  assert.equal(answer.status, 403);
  assert.equal((await answer.json()).error, 'aiming_not_offered');
  for (const options of [PHONE, { ...SMALL, colorScheme: 'dark' }]) {
    const visit = await open(browser, device, '/aim', options);
    await visit.page.waitForFunction(() => /picture is not available/.test(document.getElementById('why').textContent));
    assert.ok(await visit.page.locator('#view').isHidden());
    assert.match(await visit.text('#how'), /15 to 30 seconds[^]*moodring aim/);
    await fits(visit.page);
    await axe(visit.page);
    await picture(visit.page, `aim-refused-${options.viewport.width}`);
    await visit.close();
  }
}];

const aimed = ['after `moodring aim` the preview shows picture, boxes and hint until "Done", and the live page shows a notice', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device, '/aim', PHONE);
  visit.allowed.push(ENDED, /status of 409/);
  const live = await open(browser, device, '/');
  await stateIs(live.page, 'live');
  assert.ok(await live.page.locator('#aiming').isHidden());
  const { stdout } = await aim(device);
  assert.match(stdout, /preview offered for ten minutes: open http:\/\/127\.0\.0\.1:\d+\/aim/);
  await shown(visit.page);
  await until('boxes', async () => (await visit.page.locator('#heads .head').count()) > 15);
  const drawn = await visit.page.evaluate(() => {
    const canvas = document.getElementById('picture');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let [grey, greys] = [true, new Set()];
    for (let at = 0; at < data.length; at += 4) {
      grey &&= data[at] === data[at + 1] && data[at] === data[at + 2];
      greys.add(data[at]);
    }
    return { width: canvas.width, grey, greys: greys.size };
  });
  assert.deepEqual([drawn.width, drawn.grey, drawn.greys > 50], [640, true, true], JSON.stringify(drawn));
  assert.match(await visit.text('#hint'), /heads are counted\. (All are large enough|(One head is|\d+ heads are) smaller than 16 px: move closer or use 1080p)/);
  assert.match(await visit.text('#until'), /^Until \d\d:\d\d$/);
  assert.equal((await getPreview(device)).status, 409, 'a second viewer is refused');
  await live.page.waitForSelector('#aiming:not([hidden])');
  await axe(live.page);
  await live.close();
  await fits(visit.page);
  await axe(visit.page);
  await picture(visit.page, 'page-aim');
  await visit.page.click('#done');
  await visit.page.waitForFunction(() => /picture is not available/.test(document.getElementById('why').textContent));
  const wiped = await visit.page.evaluate(() => {
    const canvas = document.getElementById('picture');
    return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.every((value) => value === 0);
  });
  assert.ok(wiped, 'the picture is still in the page');
  assert.equal((await getPreview(device)).status, 403);
  await visit.close();
}];

const drawn = ['drawn zones apply at once and appear in the TOML', async (browser) => {
  const device = await classroom();
  await aim(device);
  for (const [name, options, path] of [['phone', PHONE, '/aim'], ['hindi-320', { ...SMALL, colorScheme: 'dark' }, '/aim?language=hi'], ['desktop', DESKTOP, '/aim']]) {
    const visit = await open(browser, device, path, options);
    // 409: the previous viewer counts for a few seconds more. 422: zones whose edges cross are refused.
    visit.allowed.push(/status of (409|422)/);
    const { page } = visit;
    await shown(page);
    await until('boxes', async () => (await page.locator('#heads .head').count()) > 15);
    assert.equal(await page.locator('#heads .out').count(), 0);
    const { x, y, width, height } = await page.locator('#drawing').boundingBox();
    const at = (across, down) => [x + across * width, y + down * height];
    await page.mouse.move(...at(0.02, 0.02));
    await page.mouse.down();
    await page.mouse.move(...at(0.3, 0.5));
    await page.mouse.move(...at(0.5, 0.98));
    await page.mouse.up();
    await until('heads that do not count', async () => (await page.locator('#heads .out').count()) > 2);
    assert.ok(await page.locator('#heads .head:not(.out)').count() > 2);
    for (const corner of [[0.6, 0.1], [0.95, 0.1], [0.95, 0.6], [0.6, 0.1]]) await page.mouse.click(...at(...corner));
    await page.waitForFunction(() => document.querySelectorAll('.zone').length === 2);
    await page.locator('.zone input').first().fill('the "left" half');
    const toml = await until('the TOML', async () => {
      const text = await page.inputValue('#toml');
      return text.match(/\[\[zone\]\]/g)?.length === 2 && text.includes('left') && text;
    });
    assert.match(toml, /name = ['"]the \\?"left\\?" half['"]\nkind = "ignore"\npoints = \[\[0\.0[12]\d, 0\.0[12]\d\], \[0\.(49|50)\d/);
    await fits(page);
    await axe(page);
    await picture(page, `aim-zones-${name}`);
    // A zone whose edges cross shows an error message.
    await page.locator('.zone .corners input').first().fill('0 0, 1 1, 1 0, 0 1');
    await page.locator('.zone .corners input').first().blur();
    await page.waitForSelector('#fault:not([hidden])');
    await page.locator('.zone button').first().click();
    await page.locator('.zone button').first().click();
    await page.waitForFunction(() => !document.getElementById('toml').value && document.getElementById('fault').hidden);
    await visit.close();
  }
  // The device writes none of this to its disk.
  const written = readdirSync(join(device.folder, 'state')).filter((name) => /\.(jpe?g|png|toml)$/.test(name));
  assert.deepEqual(written, []);
  assert.doesNotMatch(device.log, /zone|jpeg|picture is/i);
}];

const paused = ['a pause ends the preview, and resuming does not offer it again', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device, '/aim', PHONE);
  // 409: the page of the previous test counts as the viewer for some seconds more.
  visit.allowed.push(ENDED, /status of 409/);
  await aim(device);
  await shown(visit.page);
  device.child.kill('SIGUSR1');
  await visit.page.waitForFunction(() => /camera is closed/.test(document.getElementById('why').textContent));
  assert.ok(await visit.page.locator('#view').isHidden());
  assert.equal((await getPreview(device)).status, 403);
  await assert.rejects(aim(device), /the device is paused/);
  device.child.kill('SIGUSR2');
  await visit.page.waitForFunction(() => /picture is not available/.test(document.getElementById('why').textContent));
  await visit.close();
}];

export const aiming = [refused, aimed, drawn, paused];
