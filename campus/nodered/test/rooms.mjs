// Rooms as devices tell of them by docs/reference/mqtt.md: one for each thing that the page must show.

const EXPRESSIONS = ['angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral'];

export const rooms = [
  { site: 'north-campus', room: 'a-101', people: 28, facing: 0.82, engagement: 0.66, word: 'attentive', pace: 'fine' },
  { site: 'north-campus', room: 'a-102', people: 31, facing: 0.71, engagement: 0.58, word: 'bright', pace: 'fine', happy: 0.46 },
  { site: 'north-campus', room: 'a-103', people: 24, facing: 0.44, engagement: 0.29, word: 'restless', pace: 'too_slow' },
  { site: 'north-campus', room: 'b-214', people: 30, facing: 0.76, engagement: 0.55, word: 'calm', pace: 'fine' },
  { site: 'north-campus', room: 'b-215', people: 22, facing: 0.69, engagement: 0.41, word: 'strained', pace: 'too_fast', sad: 0.31 },
  { site: 'south-campus', room: 'c-1', state: 'stale', people: 18, facing: 0.6, engagement: null, word: 'unsure', pace: 'unsure', camera: 'away' },
  { site: 'south-campus', room: 'c-2', state: 'too_few', people: null, facing: null, engagement: null, word: 'unsure', pace: 'unsure' },
  { site: 'south-campus', room: 'lab', people: 19, facing: 0.35, engagement: 0.22, word: 'drowsy', pace: 'too_slow' },
].map((room, index) => ({ device: `moodring-${(0xa0 + index).toString(16).padStart(14, '0')}`, ...room }));

const level = (value, reach = 0.08) => ({ low: Math.max(0, value - reach), high: Math.min(1, value + reach) });

function expressions(room) {
  if (room.engagement === null) return null;
  const rest = { angry: 0.03, disgust: 0.01, fear: 0.02, happy: 0.18, sad: 0.05, surprise: 0.05, ...Object.fromEntries(Object.entries(room).filter(([key]) => EXPRESSIONS.includes(key))) };
  const neutral = 1 - Object.values(rest).reduce((sum, share) => sum + share, 0);
  return Object.fromEntries(EXPRESSIONS.map(name => [name, { share: rest[name] ?? neutral, ...level(rest[name] ?? neutral, 0.05) }]));
}

const place = ({ site, room }) => ({ site, room });

export function mood(room, state = room.state ?? 'live') {
  const shown = state === 'live' || state === 'stale';
  return {
    schema: 'moodring.mood/1', ...place(room), sequence: 1, at: new Date().toISOString(), state, mode: 'mood', window_s: 60, picture_age_s: 0.4,
    people: shown ? room.people : null, facing: shown && room.facing ? { share: room.facing, ...level(room.facing) } : null,
    expressions: shown ? expressions(room) : null, dominant: shown ? 'neutral' : null, coverage: shown ? 0.79 : null, unread: null,
    valence: null, arousal: null, engagement: shown && room.engagement ? { value: room.engagement, ...level(room.engagement) } : null,
    restlessness: shown ? 0.2 : null, trend: null, word: shown ? room.word : 'unsure', pace: shown ? room.pace : 'unsure', pace_reason: 'following', compared_to_baseline: null,
  };
}

export const status = (room, now = 'online', reason = null) => ({ schema: 'moodring.status/1', status: now, reason, ...place(room), device: room.device, version: '0.1.0' });

export function health(room) {
  const problems = room.camera === 'away' ? { camera: 'the camera is gone: look at its cable' } : {};
  return {
    schema: 'moodring.health/1', ...place(room), device: room.device, at: new Date().toISOString(), version: '0.1.0', models: { heads: '0.2.0', expression: '0.2.0' },
    uptime_s: 86400, camera: room.camera ?? 'streaming', problems, rss_bytes: 93e6, load_1min: 0.7, celsius: 61.5, throttled: false, frames_per_s: 4.9, inference_ms: 31,
    cycles: 4711, observations_dropped: 0, spool: { waiting: 0, dropped: 0, disk_writes: 12, sequence: 4711 }, reconnects: 0, clock_synchronised: true, engine: 'cpu',
  };
}
