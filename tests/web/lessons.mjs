// Recorded lessons: list, report, comparison, export, note, deletion.
import assert from 'node:assert/strict';
import { PHONE, SMALL, axe, fits, open } from './browser.mjs';
import { until } from './device.mjs';
import { classroom } from './devices.mjs';
import { picture } from './live.mjs';

const list = (device) => fetch(`${device.url}/api/v1/lessons`).then((answer) => answer.json());
const command = (device, body) => fetch(`${device.url}/api/v1/lesson`, {
  method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
});
const currentLesson = async (device) => (await (await fetch(`${device.url}/api/v1/device`)).json()).lesson;

async function recordLesson(device, title) {
  await command(device, { action: 'begin', title });
  await until(`the lesson ${title}`, async () => (await currentLesson(device))?.title === title);
  const from = (await device.mood()).sequence;
  await until('some moods', async () => (await device.mood()).sequence > from + 4);
  await command(device, { action: 'end' });
  await until('its end', async () => !(await currentLesson(device)));
}

/** Waits for at least two stored lessons with these titles; the store writes once a minute. */
async function recorded(device) {
  await until('a live class', async () => (await device.mood()).state === 'live');
  const titles = new Set((await list(device)).map(({ title }) => title));
  if (!titles.has('Physics')) {
    await recordLesson(device, 'Physics');
    await recordLesson(device, 'History');
  }
  return until('both lessons in the store', async () => {
    const lessons = (await list(device)).filter(({ title, ended_at: ended }) => ended && ['Physics', 'History'].includes(title));
    return lessons.length >= 2 && lessons;
  }, 150_000);
}

const listed = ['lessons are listed, the newest first, each with its report', async (browser) => {
  const device = await classroom();
  await recorded(device);
  const visit = await open(browser, device, '/');
  await visit.page.click('.pages a[href="lessons"]');
  await visit.page.waitForSelector('[data-loaded] .lesson');
  const titles = await visit.page.locator('.lesson h2').allInnerTexts();
  assert.ok(titles.indexOf('History') < titles.indexOf('Physics'), titles.join());
  await fits(visit.page);
  await axe(visit.page);
  const card = visit.page.locator('.lesson', { hasText: 'Physics' }).first();
  const [report] = await Promise.all([visit.context.waitForEvent('page'), card.locator('.report').click()]);
  await report.waitForLoadState();
  assert.match(await report.title(), /^Physics/);
  // The content security policy allows the report's inline style by its hash; without it the background is transparent.
  const background = await report.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.notEqual(background, 'rgba(0, 0, 0, 0)');
  await axe(report);
  await visit.close();
}];

const compared = ['two lessons are compared', async (browser) => {
  const device = await classroom();
  await recorded(device);
  const visit = await open(browser, device, '/lessons', SMALL);
  await visit.page.waitForSelector('.lesson');
  const boxes = ['Physics', 'History'].map((title) => visit.page.locator('.lesson', { hasText: title }).first().locator('.check input'));
  for (const box of boxes) await box.check();
  await visit.page.waitForSelector('#comparison-table tbody tr');
  const heads = await visit.page.locator('#comparison-table thead th').allInnerTexts();
  assert.match(heads.join(), /Physics.*History/);
  assert.equal(await visit.page.locator('#comparison-table tbody tr').count(), 8);
  await fits(visit.page);
  await axe(visit.page);
  await picture(visit.page, 'page-lessons-320');
  await boxes[0].uncheck();
  assert.ok(await visit.page.locator('#comparison').isHidden());
  await visit.close();
}];

const exported = ['a lesson is exported as a table and as JSON', async (browser) => {
  const device = await classroom();
  const [{ id }] = await recorded(device);
  const csv = await fetch(`${device.url}/api/v1/lessons/${id}.csv`);
  assert.match(csv.headers.get('content-disposition'), /^attachment; filename="lesson-\d+\.csv"$/);
  const lines = (await csv.text()).trim().split('\n');
  assert.ok(lines.length >= 2 && lines.some((line) => line.includes('facing')), lines[0]);
  const report = await (await fetch(`${device.url}/api/v1/lessons/${id}.json`)).json();
  assert.equal(report.schema, 'moodring.lesson_report/1');
  assert.ok(!JSON.stringify(report).includes('"note":"the'), 'the export contains no private note');
  for (const path of ['999999.json', '..%2f..%2fetc%2fpasswd', '1.exe', '%00.csv']) {
    assert.equal((await fetch(`${device.url}/api/v1/lessons/${path}`)).status, 404, path);
  }
}];

const noted = ['a note is stored, shown again, and never interpreted as HTML', async (browser) => {
  const device = await classroom();
  await recorded(device);
  const visit = await open(browser, device, '/lessons', PHONE);
  const card = () => visit.page.locator('.lesson', { hasText: 'Physics' }).first();
  await card().locator('summary').click();
  await card().locator('textarea').fill('the <img src=x onerror=alert(1)> pendulum\nworked');
  await card().locator('form button').first().click();
  await visit.page.waitForFunction(() => document.getElementById('spoken').textContent === 'The note is saved.');
  await visit.page.reload();
  await visit.page.waitForSelector('.lesson');
  assert.equal(await card().locator('.own').innerText(), 'the <img src=x onerror=alert(1)> pendulum\nworked');
  assert.equal(await visit.page.locator('.lesson img').count(), 0);
  await axe(visit.page);
  await picture(visit.page, 'page-lessons');
  await visit.close();
}];

const deleted = ['a lesson is deleted after a confirmation', async (browser) => {
  const device = await classroom();
  await recorded(device);
  const visit = await open(browser, device, '/lessons');
  await visit.page.waitForSelector('.lesson');
  const before = await list(device);
  const card = visit.page.locator('.lesson', { hasText: 'History' }).first();
  await card.locator('summary').click();
  await card.locator('.delete').click();
  await axe(visit.page);
  await visit.page.click('#really button[value=no]');
  assert.equal((await list(device)).length, before.length);
  await card.locator('.delete').click();
  await visit.page.click('#really button[value=yes]');
  await until('the deletion', async () => (await list(device)).length === before.length - 1);
  await visit.page.waitForFunction(() => document.getElementById('spoken').textContent === 'The lesson is deleted.');
  await visit.close();
}];

export const lessons = [listed, compared, exported, noted, deleted];
