// The live page: figures, states, languages, small screens, keyboard, weight.
import assert from 'node:assert/strict';
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { DESKTOP, PHONE, SMALL, axe, fits, open } from './browser.mjs';
import { until } from './device.mjs';
import { classroom, counted, fewPeople, pictures } from './devices.mjs';

const MAX_BYTES = 100_000;
const percent = (share) => `${Math.round(share * 100)}\u00a0%`;
export const stateIs = (page, state) => page.waitForFunction((wanted) => document.body.dataset.state === wanted, state, { timeout: 100_000 });

/** Waits until `compare` finds page and device equal for one mood. */
async function agrees(visit, device, compare) {
  await until('the page to show the mood of the device', async () => {
    const before = await device.mood();
    const seen = await compare(before);
    const after = await device.mood();
    if (before.sequence !== after.sequence) return false;
    assert.deepEqual(seen[0], seen[1]);
    return true;
  });
}

export async function waitForExpressions(device) {
  return until('expressions', async () => {
    const mood = await device.mood();
    return mood.state === 'live' && mood.expressions;
  }, 150_000);
}

/** Takes a screenshot of a page or of a part of it, only with PICTURES. */
export async function picture(what, name) {
  if (process.env.PICTURES) await what.screenshot({ path: join(process.env.PICTURES, `${name}.png`), fullPage: true });
}

const warmingUp = ['a device that was just started shows its state', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device);
  const states = await until('a state', async () => {
    const state = await visit.page.evaluate(() => document.body.dataset.state);
    return state !== 'connecting' && state;
  });
  assert.ok(['starting', 'live', 'too_few'].includes(states), states);
  await visit.close();
}];

const figures = ['word, people, facing and seven expressions equal those of the device', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device);
  await waitForExpressions(device);
  await agrees(visit, device, async (mood) => {
    const bars = await visit.page.locator('#expressions .share').allInnerTexts();
    const names = ['happy', 'surprise', 'neutral', 'sad', 'fear', 'angry', 'disgust'];
    return [
      [await visit.text('#state'), await visit.text('#word'), await visit.text('#people'), await visit.text('#facing'), bars],
      ['live', mood.word, String(mood.people), percent(mood.facing.share), names.map((name) => percent(mood.expressions[name].share))],
    ];
  });
  assert.equal(await visit.text('#place'), 'school · room-1');
  assert.match(await visit.text('#pace'), /pace|too fast|too slow/i);
  assert.match(await visit.text('#expressions-hint'), /not of feelings/);
  const whiskers = await visit.page.locator('.whisker').evaluateAll((all) => all.map((one) => parseFloat(one.style.width)));
  assert.equal(whiskers.length, 7);
  assert.ok(whiskers.some((width) => width > 1), 'no interval is drawn');
  await visit.close();
}];

const updates = ['the page updates without a reload', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device);
  await stateIs(visit.page, 'live');
  const path = () => visit.page.locator('#trend path.facing').getAttribute('d');
  const first = await path();
  await until('a new point of the trend', async () => (await path()) !== first);
  await visit.close();
}];

const weight = ['everything together is below 100 KB, and all requests go to the device', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device, '/?language=hi');
  await stateIs(visit.page, 'live');
  await until('the trend', () => visit.page.locator('#trend path.facing').getAttribute('d'));
  const paint = await visit.page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
  console.log(`        ${visit.bytes} bytes until live, first paint after ${Math.round(paint)} ms`);
  assert.ok(visit.bytes > 20_000 && visit.bytes < MAX_BYTES, `${visit.bytes} bytes`);
  await visit.close();
}];

const accessible = ['no axe violations: light, dark, Hindi, small, wide', async (browser) => {
  const device = await classroom();
  await waitForExpressions(device);
  let rules = 0;
  for (const [name, options, path] of [
    ['phone', PHONE, '/'], ['phone-dark', { ...PHONE, colorScheme: 'dark' }, '/'], ['phone-hindi', PHONE, '/?language=hi'],
    ['phone-320', SMALL, '/'], ['phone-320-hindi', { ...SMALL, colorScheme: 'dark' }, '/?language=hi'], ['desktop', DESKTOP, '/'],
  ]) {
    const visit = await open(browser, device, path, options);
    await stateIs(visit.page, 'live');
    await visit.page.waitForSelector('#expressions .share:not(:empty)');
    await fits(visit.page);
    rules = Math.max(rules, await axe(visit.page));
    if (name.includes('320')) await picture(visit.page, `page-${name}`);
    await visit.close();
  }
  console.log(`        axe-core: ${rules} rules passed, no violation`);
}];

const hindi = ['in Hindi all text is Hindi, and the choice is stored', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device);
  await visit.page.click('.languages a[lang=hi]');
  await stateIs(visit.page, 'live');
  assert.equal(await visit.page.getAttribute('html', 'lang'), 'hi');
  assert.equal(await visit.text('#state'), 'चालू');
  const words = (await visit.text('main')).replace(/moodring|[\d\s%–.,:;·]/g, '');
  assert.doesNotMatch(words, /[a-z]{3}/i);
  await visit.page.goto(device.url);
  assert.equal(await visit.page.getAttribute('html', 'lang'), 'hi');
  await visit.close();
}];

const keyboard = ['keyboard only: skip link, 45 minutes, picture of the display', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device, '/', DESKTOP);
  const { page } = visit;
  await stateIs(page, 'live');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.className), 'skip');
  const focused = async (selector) => until(`the focus on ${selector}`, async () => {
    await page.keyboard.press('Tab');
    return page.evaluate((wanted) => document.activeElement.matches(wanted), selector);
  }, 5000);
  await focused('input[name=span]');
  await page.keyboard.press('ArrowRight');
  assert.match(await visit.text('#axis'), /45 min ago/);
  await focused('summary');
  await page.keyboard.press('Enter');
  await until('the picture of the display', () => page.evaluate(() => document.getElementById('display').naturalWidth > 300));
  await visit.close();
}];

const spoken = ['a screen reader gets the changes', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device);
  await stateIs(visit.page, 'live');
  assert.equal(await visit.page.getAttribute('#spoken', 'aria-live'), 'polite');
  assert.match(await visit.page.textContent('#spoken'), new RegExp((await visit.text('#word'))));
  assert.match(await visit.page.getAttribute('#trend', 'aria-label'), /Facing the front: \d+/);
  assert.match(await visit.page.locator('#expressions li').first().innerText(), /between \d+/);
  await visit.close();
}];

const installable = ['the page can be installed', async (browser) => {
  const device = await classroom();
  const visit = await open(browser, device);
  const { errors, data } = await visit.client.send('Page.getAppManifest');
  assert.deepEqual(errors, []);
  const manifest = JSON.parse(data);
  for (const { src, type } of manifest.icons) {
    const answer = await fetch(new URL(src, `${device.url}/`));
    assert.equal(answer.headers.get('content-type'), type);
  }
  const { installabilityErrors } = await visit.client.send('Page.getInstallabilityErrors');
  // Incognito windows (all windows of this test) cannot install a page; no other error may remain.
  assert.deepEqual(installabilityErrors.map(({ errorId }) => errorId).filter((id) => id !== 'in-incognito'), []);
  await visit.close();
}];

const tooFew = ['too few people: no figures, and a notice', async (browser) => {
  const device = await fewPeople();
  const visit = await open(browser, device);
  await stateIs(visit.page, 'too_few');
  assert.match(await visit.text('#notice'), /There are too few people/);
  assert.equal(await visit.text('#people'), '–');
  assert.equal(await visit.text('#facing'), '–');
  assert.ok(await visit.page.locator('#expressions').isHidden());
  await axe(visit.page);
  await picture(visit.page, 'page-phone-too-few');
  await visit.close();
  await device.stop();
}];

const onlyCounted = ['a device that only counts shows the number of people and no judgement', async (browser) => {
  const device = await counted();
  const visit = await open(browser, device);
  await stateIs(visit.page, 'live');
  await agrees(visit, device, async (mood) => [await visit.text('#word'), String(mood.people)]);
  assert.match(await visit.text('#notice'), /counts people and estimates nothing else/);
  for (const part of ['#pace', '#facing', '#expressions-card', '.trend', '#sensitivity', '#coverage']) {
    assert.ok(await visit.page.locator(part).isHidden(), `${part} is shown`);
  }
  const { facing, expressions, trend, word } = await device.mood();
  assert.deepEqual([facing, expressions, trend, word], [null, null, null, 'unsure']);
  await axe(visit.page);
  await picture(visit.page, 'page-phone-count');
  await visit.close();
  await device.stop();
}];

const stale = ['a lost camera: stale, with the time of the last picture', async (browser) => {
  const device = await pictures();
  const visit = await open(browser, device);
  await stateIs(visit.page, 'live');
  renameSync(device.pictures, `${device.pictures}-gone`);
  // A picture in flight may still arrive, so the state must stay stale.
  await until('a state that stays', async () => {
    await stateIs(visit.page, 'stale');
    await visit.page.waitForTimeout(2500);
    return visit.page.evaluate(() => document.body.dataset.state === 'stale');
  });
  assert.match(await visit.text('#notice'), /^No picture since \d\d:\d\d\./);
  assert.notEqual(await visit.text('#people'), '–');
  await axe(visit.page);
  await picture(visit.page, 'page-phone-stale');
  assert.equal(await visit.text('#state'), 'no picture');
  renameSync(`${device.pictures}-gone`, device.pictures);
  await stateIs(visit.page, 'live');
  await visit.close();
}];

const lost = ['a stopped device: the page shows it, and continues after the restart', async (browser) => {
  const device = await pictures();
  const visit = await open(browser, device);
  visit.allowed.push(/Failed to load resource: net::ERR_(CONNECTION_REFUSED|INCOMPLETE_CHUNKED_ENCODING|CONNECTION_RESET|EMPTY_RESPONSE)/);
  await stateIs(visit.page, 'live');
  await device.stop();
  await stateIs(visit.page, 'lost');
  assert.match(await visit.text('#notice'), /has not answered since \d\d:\d\d/);
  await axe(visit.page);
  await device.start();
  await stateIs(visit.page, 'live');
  assert.ok(await visit.page.locator('#notice').isHidden());
  await visit.close();
  await device.stop();
}];

export const live = [
  warmingUp, figures, updates, weight, accessible, hindi, keyboard, spoken, installable, tooFew, onlyCounted, stale, lost,
];
