// Devices shared by the tests. Each is started once, on first use.
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Device, startBroker } from './device.mjs';

const MOOD = '[mood]\npublish_every_s = 0.5\nstale_after_s = 4\n';
const once = (make) => { let made; return () => (made ??= make()); };

/** A class of 24, with a broker if mosquitto is installed. */
export const classroom = once(async () => {
  const broker = await startBroker();
  const mqtt = broker ? `[mqtt]\nbroker = "external"\nhost = "127.0.0.1"\nport = ${broker}\n` : '';
  const camera = '[camera.simulator]\npeople = 24\nscript = "steady"\nframes_per_s = 4\n';
  const device = await new Device('room-1', `${camera}${mqtt}${MOOD}`).start();
  return Object.assign(device, { broker });
});

/** A class of 60 of which about half is turned away, so that the attention plan has spots after two minutes. */
export const turnedAway = once(() => new Device('room-6', [
  '[camera.simulator]', 'people = 60', 'facing = 0.45', 'script = "steady"', 'frames_per_s = 1',
  // The begin of a lesson would reset the attention plan.
  '[lessons]', 'enabled = false', '[attention]', 'enabled = true', 'after_minutes = 2.0', MOOD,
].join('\n')).start());

/** A class of 28 in a lesson with a joke and a hard part. */
export const lessonRoom = once(() => new Device('b-214', `[camera.simulator]\npeople = 28\nframes_per_s = 4\n${MOOD}`).start());

/** A class of 24 in a school in the EU: people are counted, and nothing else. */
export const counted = once(() => new Device('room-7', [
  '[camera.simulator]', 'people = 24', 'frames_per_s = 2', MOOD.replace('[mood]', '[mood]\nmode = "count"'),
].join('\n')).start());

/** Three people, fewer than `mood.min_people`. */
export const fewPeople = once(() => new Device('room-2', `[camera.simulator]\npeople = 3\nframes_per_s = 2\n${MOOD}`).start());

/** A file camera; moving its folder away disconnects the camera. */
export const pictures = once(async () => {
  const device = new Device('room-3', '');
  device.pictures = join(device.folder, 'pictures');
  mkdirSync(device.pictures);
  // Two pictures, because a single one is read only once.
  for (const name of ['1.png', '2.png']) copyFileSync(new URL('../../docs/img/simulator.png', import.meta.url), join(device.pictures, name));
  device.settings = `[camera]\nsource = "file"\n[camera.file]\npath = "${device.pictures}"\nframes_per_s = 2\nrepeat = true\n${MOOD}`;
  return device.start();
});
