// Asks for all rooms every 1.5 s and draws a card for each. What a card says is worked out by plain functions of
// what the room told and of the time.

const EVERY_MS = 1500;
const SILENT_MS = 180_000;
const PACES = { too_fast: 'too fast?', too_slow: 'too slow?', fine: 'pace fine', unsure: '' };
const STATES = { live: 'live', stale: 'no picture', too_few: 'too few', paused: 'paused', starting: 'starting', offline: 'offline', silent: 'silent' };
const EXPRESSIONS = {
  happy: '#f0b04a', surprise: '#f0e442', neutral: '#9aa3b2', sad: '#0072b2', angry: '#c90f39', fear: '#8a3d78', disgust: '#56806b',
};
const cards = new Map();
const asked = new Map();
const element = id => document.getElementById(id);

/** What state a room's card is in. */
function stateOf({ mood, status, health }, now) {
  if (status?.status === 'offline') return 'offline';
  const newest = Math.max(...[mood?.at, health?.at].map(at => Date.parse(at) || 0));
  if (now - newest > SILENT_MS) return 'silent';
  return mood?.state ?? 'starting';
}

/** What somebody should look at, in one line; null when all is well. */
function troubleOf({ status, health, reply }, state) {
  if (state === 'offline' && status?.reason !== 'stopped') return 'The broker lost the device: look at its power and network.';
  if (state === 'offline') return 'The device was stopped.';
  if (state === 'silent') return 'The device has told nothing for three minutes.';
  const problem = Object.values(health?.problems ?? {})[0];
  if (problem) return problem[0].toUpperCase() + problem.slice(1);
  if (health?.celsius >= 80) return `The device is at ${Math.round(health.celsius)} °C.`;
  if (health?.spool?.waiting > 60) return `${health.spool.waiting} messages wait at the device.`;
  return reply?.ok === false ? `It refused: ${reply.error}` : null;
}

const percent = share => `${Math.round(100 * share)} %`;

function ageOf(at, now) {
  const seconds = Math.max(0, Math.round((now - Date.parse(at)) / 1000));
  if (!Number.isFinite(seconds)) return '';
  if (seconds < 90) return `${seconds} s ago`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min ago` : `${Math.round(seconds / 3600)} h ago`;
}

function drawMeter(item, value, low, high) {
  const known = Number.isFinite(value);
  item.querySelector('b').textContent = known ? percent(value) : '–';
  item.querySelector('.fill').style.width = known ? `${100 * value}%` : '0';
  const whisker = item.querySelector('.whisker');
  whisker.hidden = !known;
  whisker.style.left = `${100 * low}%`;
  whisker.style.width = `${100 * (high - low)}%`;
}

function drawShares(bar, expressions) {
  const told = expressions ? Object.keys(EXPRESSIONS).map(name => `${name} ${percent(expressions[name].share)}`).join(', ') : 'expressions unknown';
  bar.title = told;
  bar.setAttribute('aria-label', told);
  if (!expressions) return bar.replaceChildren();
  if (!bar.firstChild) {
    bar.replaceChildren(...Object.values(EXPRESSIONS).map(colour => {
      const part = document.createElement('i');
      part.style.background = colour;
      return part;
    }));
  }
  Object.keys(EXPRESSIONS).forEach((name, index) => { bar.children[index].style.flexGrow = expressions[name].share; });
}

function drawButton(button, room, state) {
  const key = `${room.site}/${room.room}`;
  const wish = asked.get(key);
  const answered = wish && (room.reply?.id === wish.id || (state === 'paused') === wish.paused || Date.now() > wish.until);
  if (answered) asked.delete(key);
  const paused = state === 'paused';
  button.disabled = state === 'offline' || asked.has(key);
  button.textContent = asked.has(key) ? 'asked …' : paused ? 'Resume' : 'Pause';
  button.setAttribute('aria-label', `${paused ? 'Resume' : 'Pause'} ${key}`);
  button.onclick = () => pause(room, !paused);
}

function draw(room, now) {
  const key = `${room.site}/${room.room}`;
  if (!cards.has(key)) {
    const card = element('card').content.firstElementChild.cloneNode(true);
    card.dataset.room = key;
    card.querySelector('h2').textContent = room.room;
    card.querySelector('.site').textContent = room.site;
    cards.set(key, card);
  }
  const card = cards.get(key);
  const find = selector => card.querySelector(selector);
  const state = stateOf(room, now);
  const mood = ['live', 'stale'].includes(state) ? room.mood : undefined;
  card.dataset.state = state;
  card.dataset.word = mood?.word ?? '';
  find('.pill').textContent = STATES[state] ?? state;
  find('.word').textContent = mood?.word ?? '–';
  find('.pace').textContent = PACES[mood?.pace] ?? '';
  find('.number').textContent = mood?.people ?? '–';
  drawMeter(find('[data-figure="facing"]'), mood?.facing?.share, mood?.facing?.low, mood?.facing?.high);
  const engagement = mood?.engagement;
  drawMeter(find('[data-figure="engagement"]'), engagement?.value, engagement?.low, engagement?.high);
  drawShares(find('.shares'), mood?.expressions);
  const trouble = troubleOf(room, state);
  find('p.trouble').hidden = !trouble;
  find('p.trouble').textContent = trouble ?? '';
  find('.age').textContent = ageOf(room.mood?.at ?? room.health?.at, now);
  drawButton(find('.pause'), room, state);
  return { card, trouble, mood: state === 'live' ? mood : undefined };
}

function drawTotals(drawn) {
  const live = drawn.map(({ mood }) => mood).filter(Boolean);
  const people = live.reduce((sum, mood) => sum + (mood.people ?? 0), 0);
  const facing = live.reduce((sum, mood) => sum + (mood.people ?? 0) * (mood.facing?.share ?? 0), 0);
  const troubles = drawn.filter(({ trouble }) => trouble).length;
  element('classes').textContent = live.length;
  element('people').textContent = people;
  element('facing').textContent = people ? percent(facing / people) : '–';
  element('troubles').textContent = troubles;
  element('troubles').parentElement.toggleAttribute('data-some', troubles > 0);
}

function drawAll({ now, rooms }) {
  const wanted = element('find').value.trim().toLowerCase();
  const at = Date.parse(now);
  const drawn = rooms.map(room => ({ room, ...draw(room, at) }));
  // Those to look at first, then by name: a card does not jump while a class goes on.
  drawn.sort((a, b) => Number(!a.trouble) - Number(!b.trouble) || a.card.dataset.room.localeCompare(b.card.dataset.room, 'en', { numeric: true }));
  drawTotals(drawn);
  for (const { card } of drawn) card.hidden = !card.dataset.room.toLowerCase().includes(wanted);
  const order = drawn.map(({ card }) => card);
  const main = element('rooms');
  if (order.some((card, index) => main.children[index] !== card)) main.replaceChildren(...order);
  if (!rooms.length) notice('No room has told anything yet.');
}

function notice(text) {
  element('notice').hidden = !text;
  element('notice').textContent = text;
}

async function pause(room, paused) {
  const key = `${room.site}/${room.room}`;
  asked.set(key, { paused, until: Date.now() + 10_000 });
  try {
    const answer = await fetch('pause', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-moodring': '1' },
      body: JSON.stringify({ site: room.site, room: room.room, paused }),
    });
    const { id, error } = await answer.json();
    if (!answer.ok) throw new Error(error);
    asked.get(key).id = id;
  } catch (error) {
    asked.delete(key);
    notice(`${key} could not be asked: ${error.message}`);
  }
}

async function refresh() {
  try {
    const answer = await fetch('state', { cache: 'no-store' });
    if (!answer.ok) throw new Error(`it answers ${answer.status}`);
    notice('');
    drawAll(await answer.json());
  } catch (error) {
    notice(`Node-RED cannot be reached: ${error.message}`);
  }
  setTimeout(refresh, document.hidden ? 10 * EVERY_MS : EVERY_MS);
}

element('legend').append(...Object.entries(EXPRESSIONS).map(([name, colour]) => {
  const item = document.createElement('span');
  item.textContent = name;
  item.style.setProperty('--colour', colour);
  return item;
}));
element('find').addEventListener('input', () => {
  const wanted = element('find').value.trim().toLowerCase();
  for (const [key, card] of cards) card.hidden = !key.toLowerCase().includes(wanted);
});
refresh();
