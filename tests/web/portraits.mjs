// Screenshots of the live page for the documents: a lesson of some minutes. Only with PICTURES.
import { DESKTOP, PHONE, open } from './browser.mjs';
import { until } from './device.mjs';
import { lessonRoom } from './devices.mjs';
import { picture, stateIs } from './live.mjs';

// After this time there are a trend and a pace.
const LESSON_MS = 330_000;

const begin = ['a lesson begins for the screenshots', async () => {
  const { url } = await lessonRoom();
  const headers = { 'content-type': 'application/json' };
  await until('the lesson', async () => {
    await fetch(`${url}/api/v1/lesson`, { method: 'POST', headers, body: JSON.stringify({ action: 'begin', title: 'Physics 7b' }) });
    return (await (await fetch(`${url}/api/v1/device`)).json()).lesson;
  });
}];

const portraits = ['screenshots of a lesson', async (browser) => {
  const device = await lessonRoom();
  await until('some minutes', async () => {
    const { lesson } = await (await fetch(`${device.url}/api/v1/device`)).json();
    return Date.now() - Date.parse(lesson.begun_at) > LESSON_MS;
  }, LESSON_MS);
  const dark = { ...PHONE, colorScheme: 'dark' };
  for (const [name, options, path] of [
    ['page-phone', PHONE, '/'], ['page-phone-dark', dark, '/'], ['page-phone-hindi', dark, '/?language=hi'], ['page-desktop', DESKTOP, '/'],
  ]) {
    const visit = await open(browser, device, path, options);
    await stateIs(visit.page, 'live');
    await visit.page.waitForSelector('#trend path.strained');
    await visit.page.waitForSelector('[data-settled]');
    await picture(visit.page, name);
    await visit.close();
  }
  await device.stop();
}];

export const [portraitsFirst, portraitsLast] = process.env.PICTURES ? [[begin], [portraits]] : [[], []];
