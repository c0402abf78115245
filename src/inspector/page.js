// The page of slotcast's inspector: asks for /v1/state four times in a second and shows what there is.
// All text is set as text. Rates are computed from the clock of the program. Of long lists, only what
// can be seen is in the document.
'use strict';

const EVERY = 250; // ms between two requests
const RATE_OVER = 9; // states that a rate is computed over
const MOST_EVENTS = 4000; // kept here
const MOST_STEPS = 400; // of a cascade that are shown
const MOST_BOXES = 150; // of the picture: so many topics, and twice as many handlers
const MOST_OF_ONE = 40; // handlers of one topic in the picture

// Small parts

const $ = (id) => document.getElementById(id);

function el(tag, classes, ...inside) {
  const it = document.createElement(tag);
  if (classes) it.className = classes;
  it.append(...inside.filter((part) => part !== null && part !== undefined));
  return it;
}

function button(classes, onClick, ...inside) {
  const it = el('button', classes, ...inside);
  it.type = 'button';
  it.addEventListener('click', onClick);
  return it;
}

function svg(tag, attributes, ...inside) {
  const it = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) it.setAttribute(name, value);
  it.append(...inside);
  return it;
}

function setText(node, text) {
  if (node.said !== text) node.textContent = node.said = text;
}

function setClass(node, classes) {
  if (node.classes !== classes) node.className = node.classes = classes;
}

const whole = new Intl.NumberFormat('en');
const count = (n) => whole.format(n);

function rate(n) {
  if (n === null) return '–';
  return n >= 9.95 || n === 0 ? count(Math.round(n)) : n >= 0.1 ? n.toFixed(1) : '<0.1';
}

function time(ns) {
  if (ns === null || ns === undefined) return '–';
  const units = [['ns', 1], ['µs', 1e3], ['ms', 1e6], ['s', 1e9], ['min', 6e10], ['h', 3.6e12], ['days', 8.64e13], ['years', 3.156e16]];
  let at = 0;
  while (at + 1 < units.length && ns >= units[at + 1][1] * 0.9995) at += 1;
  const n = ns / units[at][1];
  return `${at === 0 || n >= 100 ? Math.round(n) : n.toPrecision(3)} ${units[at][0]}`;
}

function clock(ns) {
  const ms = Math.floor(ns / 1e6), two = (n) => String(n).padStart(2, '0');
  const seconds = Math.floor(ms / 1000), minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const end = `${two(minutes % 60)}:${two(seconds % 60)}.${String(ms % 1000).padStart(3, '0')}`;
  return hours ? `${hours}:${end}` : end;
}

const say = (n, one, many) => `${count(n)} ${n === 1 ? one : many}`;
const share = (part, all) => (all > 0 ? part / all : 0);
const percent = (part) => `${part > 0 && part < 0.01 ? '<1' : Math.round(part * 100)} %`;
// Control characters and those that change the direction of text would disturb what stands beside them.
const shown = (text) => text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
  (it) => (it === '\n' ? '↵' : '\ufffd'));
// From where an event has come, and how old it was: what its message says.
const from = (it) => (it.bridge !== null ? shown(it.bridge) : it.origin !== null ? `bridge ${cut(shown(it.origin), 9)}` : 'another program');
const since = (it) => (it.stored ? 'stored' : 'emitted');
const age = (it) => (it.lag === null ? null : it.lag < 0 ? `${since(it)} by a clock that is ${time(-it.lag)} ahead` : `${since(it)} ${time(it.lag)} before`);
// The file and the line, without folders.
const short = (place) => shown(place).split(/[\\/]/).pop();
const named = (label) => (label === null || label === undefined ? '(no label)' : label === '' ? '(empty label)' : shown(label));

// What is known

let token = location.hash.slice(1);
let world; // of one program, as long as it lives
function forget() {
  world = {
    state: null, after: 0, times: [], topics: new Map(), handlers: new Map(), queues: new Map(),
    events: [], byId: new Map(),
  };
}
forget();

const ui = { view: 'handlers', filter: '', chosen: null, isPaused: false, isHeld: false, newWhileHeld: 0, eventsShown: [] };

// A count over the last states.
class Counter {
  constructor() { this.counts = []; this.rates = []; }
  add(n, keepsRates) {
    this.counts.push(n);
    if (this.counts.length > RATE_OVER) this.counts.shift();
    if (!keepsRates) return;
    const now = this.rate();
    if (now !== null) this.rates.push(now);
    if (this.rates.length > 60) this.rates.shift();
  }
  rate() {
    const { times } = world, n = this.counts.length;
    if (n < 2) return null;
    const took = times[times.length - 1] - times[times.length - n];
    return took > 0 ? Math.max(0, (this.counts[n - 1] - this.counts[0]) / (took / 1e9)) : null;
  }
}

// What the program leaves out: see src/follow/json.rs.
const USUAL_HANDLER = {
  label: null, kind: 'plain', to: null, pattern: null, count: 1, priority: 0, paused: 0, left: null, gone: false,
  failures: 0, skipped: 0, p50: 0, own_ns: 0,
};
const USUAL_TOPIC = { emissions: 0, unheard: 0, retained: 0 };
const USUAL_STEP = {
  kind: 'emitted', cause: null, topic: null, label: null, waited: null, ran: 0, stopped: false, failed: 0, text: null, failure: null,
};
const fillHandler = (it, of) => ({
  ...USUAL_HANDLER, place: of.place, calls: of.emissions ?? 0, p99: it.p50 ?? 0, total_ns: it.own_ns ?? 0, ...it,
});

function fill(state) {
  const fillHandlers = (of) => { of.handlers = of.handlers.map((it) => fillHandler(it, of)); return of; };
  state.topics = state.topics.map((it) => fillHandlers({ ...USUAL_TOPIC, ...it }));
  state.patterns.forEach(fillHandlers);
  const emissions = new Map(state.topics.map((it) => [it.name, it.emissions]));
  state.emitters = state.emitters.map((it) => ({ emissions: emissions.get(it.topic) ?? 0, ...it }));
  state.tail = state.tail.map((it) => ({ ...USUAL_STEP, ...it }));
  return state;
}

function take(state) {
  world.state = state;
  world.after = state.next;
  world.times.push(state.at);
  if (world.times.length > RATE_OVER) world.times.shift();

  const topics = new Map(), handlers = new Map(), queues = new Map();
  const takeHandlers = (topic, list) => {
    for (const it of list) {
      const key = JSON.stringify([it.pattern ?? topic.name, it.place, it.label, it.gone]);
      let handler = handlers.get(key);
      if (!handler) {
        handler = world.handlers.get(key) ?? { key, calls: new Counter(), first: it.count };
        Object.assign(handler, { of: it, topic: it.pattern ?? topic.name, topics: [] });
        handler.calls.add(it.calls, false);
        handlers.set(key, handler);
      }
      if (!topic.isPattern) handler.topics.push(topic.name);
      topic.handlers.push(handler);
    }
  };
  const emitted = new Map();
  for (const it of state.emitters) if (it.place && !emitted.has(it.topic)) emitted.set(it.topic, it.place);
  for (const it of state.topics) {
    const topic = world.topics.get(it.name) ?? { key: it.name, emissions: new Counter() };
    // Nobody holds a topic that is only emitted to by name: what is known is who emits.
    Object.assign(topic, { of: it, name: it.name, place: it.place ?? emitted.get(it.name) ?? null, handlers: [] });
    topic.emissions.add(it.emissions, true);
    takeReceived(topic, it.received);
    topics.set(it.name, topic);
    takeHandlers(topic, it.handlers);
  }
  for (const it of state.patterns) takeHandlers({ name: it.name, isPattern: true, handlers: [] }, it.handlers);
  state.queues.forEach((it, at) => {
    const key = `${at} ${it.place}`;
    const queue = world.queues.get(key) ?? { key, lens: [], first: it.len };
    queue.of = it;
    queue.name = at === 0 ? 'queue of the bus' : 'queue';
    queue.lens.push(it.len);
    if (queue.lens.length > 60) queue.lens.shift();
    queues.set(key, queue);
  });
  // A queue has no name: it is known by the line that made it, and by what fills it.
  for (const queue of queues.values()) queue.handlers = [...handlers.values()].filter((it) => it.of.kind === 'queue' && it.of.to === queue.of.place);
  Object.assign(world, { topics, handlers, queues });

  let fresh = 0;
  for (const step of state.tail) {
    const known = world.byId.get(step.id);
    if (known) {
      Object.assign(known, { of: step, search: searched(step) });
    } else {
      const event = { key: step.id, of: step, search: searched(step) };
      world.byId.set(step.id, event);
      world.events.push(event);
      fresh += 1;
    }
  }
  if (fresh) world.events.sort((a, b) => a.of.at - b.of.at);
  if (world.events.length > MOST_EVENTS) {
    for (const gone of world.events.splice(0, world.events.length - MOST_EVENTS)) world.byId.delete(gone.key);
  }
  if (isEventsHeld()) ui.newWhileHeld += fresh;
}

// How old what has come from elsewhere was, each time that something has.
function takeReceived(topic, received) {
  if (!received || received.at === topic.receivedAt) return;
  topic.receivedAt = received.at;
  topic.lags ??= [];
  topic.lags.push(Math.max(0, received.last.lag ?? 0));
  if (topic.lags.length > 60) topic.lags.shift();
}
// For how long something that has come is being handled. No newer lag is known meanwhile.
const handling = ({ of: { received } }) => (received?.handling ? world.state.at - received.at : 0);
const hangs = (topic) => handling(topic) > 5e9;
const isRecent = (topic) => topic.of.received && (hangs(topic) || world.state.at - topic.of.received.at < 15e9);
// Whether what comes is older and older: all of the last third is older than all of the first, by half a second.
function fallsBehind(topic) {
  const { lags } = topic, third = Math.floor((lags?.length ?? 0) / 3);
  if (third < 5 || !isRecent(topic)) return false;
  return Math.min(...lags.slice(-third)) > Math.max(...lags.slice(0, third)) + 5e8;
}
const lagOf = (topic) => topic.of.received?.last.lag ?? null;

// Whether a queue has only grown for as long as it is known.
function grows(queue) {
  const { lens } = queue, n = lens.length;
  if (n < 16 || lens[n - 1] < lens[0] + 8) return false;
  return lens.every((it, at) => at === 0 || it >= lens[at - 1]);
}
const isFull = (queue) => queue.of.capacity !== null && queue.of.len >= queue.of.capacity;
const isMany = (handler) => handler.of.count >= 16 || handler.of.count >= handler.first + 4;

// Tables

let isNarrow = false;

class Table {
  constructor(name, columns, options) {
    Object.assign(this, { name, columns, options, rows: [], pool: [], chosen: null });
    this.sort = options.sort ?? null; // [id, -1 or 1]
    this.root = el('div', `table ${name}`);
    this.root.tabIndex = 0;
    this.root.setAttribute('role', 'grid');
    this.root.setAttribute('aria-label', options.title);
    this.head = el('div', 'row head');
    this.head.setAttribute('role', 'row');
    this.heads = columns.map((column) => {
      const cell = el('div', column.classes ?? '');
      cell.setAttribute('role', 'columnheader');
      if (column.value) {
        const it = button('', () => this.sortBy(column.id), column.title);
        it.title = column.explains ?? column.title;
        cell.append(it);
      } else {
        cell.append(column.title);
        cell.title = column.explains ?? '';
      }
      this.head.append(cell);
      return cell;
    });
    this.space = el('div', 'space');
    this.empty = el('p', 'empty');
    this.root.append(this.head, this.space, this.empty);
    let isWaiting = false;
    this.root.addEventListener('scroll', () => {
      if (isWaiting) return;
      isWaiting = true;
      requestAnimationFrame(() => { isWaiting = false; this.draw(); options.onScroll?.(); });
    }, { passive: true });
    this.root.addEventListener('keydown', (event) => this.key(event));
    // Rows may move between pressing and releasing: what was pressed is meant.
    this.space.addEventListener('pointerdown', (event) => { this.pressed = this.keyAt(event); });
    this.space.addEventListener('click', (event) => {
      const key = this.pressed ?? this.keyAt(event);
      this.pressed = null;
      if (key !== undefined && key !== null) this.open(key);
    });
    this.showSort();
  }

  keyAt(event) { return event.target.closest('.row')?.key; }

  open(key) {
    this.chosen = key;
    this.options.open(key);
    this.draw();
  }

  key(event) {
    if (event.target !== this.root) return;
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity };
    if (event.key in moves && this.rows.length) {
      event.preventDefault();
      const at = this.rows.findIndex((it) => it.key === this.chosen);
      const to = Math.max(0, Math.min(this.rows.length - 1, at < 0 ? 0 : at + moves[event.key]));
      this.chosen = this.rows[to].key;
      const row = this.rowHeight(), top = to * row, space = this.root.clientHeight - 30;
      if (top < this.root.scrollTop) this.root.scrollTop = top;
      if (top + row > this.root.scrollTop + space) this.root.scrollTop = top + row - space;
      this.draw();
      if (!$('detail').hidden) this.options.open(this.chosen);
    } else if ((event.key === 'Enter' || event.key === ' ') && this.chosen !== null) {
      event.preventDefault();
      this.open(this.chosen);
    }
  }

  sortBy(id, order) {
    const column = this.columns.find((it) => it.id === id);
    const first = column.isText ? 1 : -1;
    this.sort = [id, order ?? (this.sort && this.sort[0] === id ? -this.sort[1] : first)];
    this.showSort();
    this.root.scrollTop = 0;
    show();
  }

  showSort() {
    this.columns.forEach((column, at) => {
      const isIt = this.sort && this.sort[0] === column.id;
      if (isIt) this.heads[at].setAttribute('aria-sort', this.sort[1] > 0 ? 'ascending' : 'descending');
      else this.heads[at].removeAttribute('aria-sort');
    });
  }

  // As page.css has it.
  rowHeight() { return isNarrow ? 46 : 28; }

  set(rows, empty) {
    if (this.sort) {
      const [id, order] = this.sort, { value } = this.columns.find((it) => it.id === id);
      const by = rows.map((row) => [value(row), row]);
      by.sort(([a, x], [b, y]) => order * (a < b ? -1 : a > b ? 1 : 0) || (x.key < y.key ? -1 : 1));
      rows = by.map(([, row]) => row);
    }
    this.rows = rows;
    this.empty.hidden = rows.length > 0;
    setText(this.empty, empty);
    this.draw();
  }

  draw() {
    const row = this.rowHeight(), all = this.rows.length;
    const height = `${all * row}px`;
    if (this.space.style.height !== height) this.space.style.height = height;
    const seen = this.root.clientHeight, from = Math.max(0, Math.floor(this.root.scrollTop / row) - 3);
    const to = Math.min(all, from + Math.ceil(seen / row) + 6);
    this.root.setAttribute('aria-rowcount', all);
    for (let at = from; at < to; at += 1) {
      const line = this.pool[at - from] ?? this.add();
      const it = this.rows[at];
      line.hidden = false;
      line.key = it.key;
      const y = `translateY(${at * row}px)`;
      if (line.y !== y) line.style.transform = line.y = y;
      setClass(line, `row ${this.options.classes?.(it) ?? ''}`);
      line.setAttribute('aria-selected', it.key === this.chosen);
      this.columns.forEach((column, n) => column.draw(line.cells[n], it));
    }
    for (let at = Math.max(0, to - from); at < this.pool.length; at += 1) this.pool[at].hidden = true;
  }

  add() {
    const line = el('div', 'row');
    line.setAttribute('role', 'row');
    line.cells = this.columns.map((column) => {
      const cell = el('div', column.classes ?? '');
      cell.setAttribute('role', 'gridcell');
      line.append(cell);
      return cell;
    });
    this.pool.push(line);
    this.space.append(line);
    return line;
  }
}

// Columns

function number(id, title, value, write, more = {}) {
  const classes = `number ${more.classes ?? ''}`;
  return {
    id, title, value, explains: more.explains, classes,
    draw(cell, row) {
      const n = value(row);
      setText(cell, write(n));
      setClass(cell, `${classes} ${n === 0 || n === null || n < 0 ? 'zero' : more.mark?.(row) ?? ''}`);
    },
  };
}

function text(id, title, value, classes, explains) {
  return {
    id, title, value: (row) => (value(row) ?? '').toLowerCase(), classes, isText: true, explains,
    draw(cell, row) { const it = shown(value(row) ?? ''); setText(cell, it); if (cell.title !== it) cell.title = it; },
  };
}

// The end of a path is what tells places apart, so the beginning is cut.
function place(value, classes) {
  return {
    id: 'place', title: 'place', isText: true, classes: `place ${classes}`, value: (row) => value(row) ?? '',
    draw(cell, row) {
      cell.inside ??= cell.appendChild(el('bdi', ''));
      const it = shown(value(row) ?? '');
      setText(cell.inside, it);
      if (cell.title !== it) cell.title = it;
    },
  };
}

function spark(values, id = 'spark', title = '') {
  return {
    id, title, classes: '',
    draw(cell, row) {
      cell.line ??= (() => {
        const line = svg('polyline', {});
        cell.append(svg('svg', { class: 'spark', viewBox: '0 0 60 20', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, line));
        return line;
      })();
      const all = values(row), most = Math.max(...all, 1e-9);
      const points = all.map((it, at) => `${60 - all.length + at},${(18 - 16 * it / most).toFixed(1)}`).join(' ');
      if (cell.points !== points) cell.line.setAttribute('points', cell.points = points);
    },
  };
}

const own = () => Math.max(1, allOwn);
let allOwn = 0;

function handlerName(cell, row) {
  if (!cell.parts) {
    cell.parts = [el('span', ''), el('span', 'many'), el('span', 'tag'), el('small', '')];
    cell.append(...cell.parts);
  }
  const [name, many, tag, under] = cell.parts, { of } = row;
  setText(name, named(of.label));
  setClass(name, of.label ? '' : 'none');
  setText(many, of.count > 1 ? `× ${count(of.count)}` : '');
  const notes = [of.gone ? 'gone' : '', of.paused ? 'paused' : '', of.left !== null && !of.gone ? `${of.left} left` : ''];
  const note = notes.filter(Boolean).join(', ');
  setText(tag, note);
  tag.hidden = !note;
  many.hidden = of.count <= 1;
  setText(under, `${short(of.place)} · ${shown(row.topic)}`);
  const title = `${named(of.label)}\n${shown(of.place)}`;
  if (cell.title !== title) cell.title = title;
}

const handlerTable = new Table('handlers', [
  { id: 'label', title: 'handler', isText: true, value: (it) => (it.of.label ?? '\uffff').toLowerCase(), classes: 'name', draw: handlerName },
  text('topic', 'topic', (it) => it.topic, 'narrow'),
  place((it) => it.of.place, 'wide'),
  text('kind', 'kind', (it) => it.of.kind ?? 'gone', 'wide muted', 'how it is called: at once (plain, mut, weak), by a queue, as a future, …'),
  number('rate', 'calls/s', (it) => it.calls.rate() ?? -1, (n) => rate(n < 0 ? null : n)),
  number('calls', 'calls', (it) => it.of.calls, count, { classes: 'wide' }),
  number('failed', 'failed', (it) => it.of.failures, count, { mark: () => 'bad' }),
  number('p50', 'p50', (it) => it.of.p50, (n) => (n ? time(n) : '–'), { classes: 'wide', explains: 'half of the calls took no longer themselves' }),
  number('p99', 'p99', (it) => it.of.p99, (n) => (n ? time(n) : '–'), {
    explains: '99 of 100 calls took no longer themselves, without nested emissions', classes: 'narrow', mark: (it) => (it.of.p99 >= 1e7 ? 'warn' : ''),
  }),
  {
    id: 'own', title: 'own time', classes: 'number share', value: (it) => it.of.own_ns,
    explains: 'how long all of its calls took themselves, without nested emissions; the bar is its share',
    draw(cell, row) {
      if (!cell.parts) {
        cell.parts = [el('i', ''), el('span', '')];
        cell.append(...cell.parts);
        cell.parts[0].style.width = '100%';
      }
      setText(cell.parts[1], row.of.own_ns ? time(row.of.own_ns) : '–');
      const scale = `scaleX(${(row.of.own_ns / own()).toFixed(3)})`;
      if (cell.scale !== scale) cell.parts[0].style.transform = cell.scale = scale;
    },
  },
], { title: 'Handlers', sort: ['own', -1], open: openHandler, classes: (it) => (it.of.gone ? 'is-gone' : '') });

const topicTable = new Table('topics', [
  {
    id: 'name', title: 'topic', isText: true, value: (it) => it.name.toLowerCase(), classes: 'name',
    draw(cell, row) {
      cell.parts ??= [cell.appendChild(el('span', '')), cell.appendChild(el('small', ''))];
      setText(cell.parts[0], shown(row.name) || '(empty name)');
      setText(cell.parts[1], short(row.place ?? ''));
      cell.title = row.name;
    },
  },
  text('type', 'type', (it) => it.of.type, 'type wide'),
  place((it) => it.place, 'wide'),
  number('rate', 'events/s', (it) => it.emissions.rate() ?? -1, (n) => rate(n < 0 ? null : n)),
  { ...spark((it) => it.emissions.rates), classes: 'narrow' },
  number('emissions', 'events', (it) => it.of.emissions, count),
  number('unheard', 'unheard', (it) => it.of.unheard, count, { mark: () => 'warn', explains: 'events that no handler was called for', classes: 'narrow' }),
  number('lag', 'lag', (it) => lagOf(it), (n) => (n === null ? '' : n < 0 ? 'ahead' : time(n)), {
    classes: 'lag', mark: (it) => (fallsBehind(it) || hangs(it) ? 'warn' : isRecent(it) ? '' : 'muted'),
    explains: 'how old the last one from another machine was when its handling began here, by two clocks',
  }),
  number('handlers', 'handlers', (it) => live(it), count, { classes: 'live' }),
  number('kept', 'kept', (it) => it.of.retained, count, { classes: 'wide', explains: 'events that are kept for later subscribers' }),
], { title: 'Topics', sort: ['emissions', -1], open: openTopic });

const live = (topic) => topic.handlers.reduce((all, it) => all + it.of.count, 0);

function eventName(step) {
  if (step.kind === 'job' || step.kind === 'posted') return step.label !== null ? named(step.label) : step.kind;
  if (step.kind === 'queued' || step.kind === 'async') return step.label !== null ? named(step.label) : shown(step.topic ?? step.kind);
  return shown(step.topic ?? step.kind);
}
const isEvent = (step) => step.kind === 'emitted' || step.kind === 'deferred';
// What is said of a step beside its name: why it failed, its text, or else what tells it apart.
function eventText(step) {
  if (step.failed) return step.failure ?? 'failed';
  if (step.text !== null) return step.text;
  if (step.kind === 'queued' || step.kind === 'async') return `of ${step.topic ?? ''}`;
  if (step.received) return [`from ${from(step.received)}`, age(step.received)].filter(Boolean).join(', ');
  if (!isEvent(step)) return `${step.kind === 'job' ? 'submitted' : 'posted'} at ${short(step.place)}`;
  return step.ran === 0 && step.took !== null ? 'no handler ran' : null;
}

const eventTable = new Table('events', [
  { id: 'at', title: 'began', classes: 'number muted narrow', draw: (cell, it) => setText(cell, clock(it.of.at)) },
  {
    id: 'name', title: 'event', classes: 'name',
    draw(cell, row) {
      cell.parts ??= [cell.appendChild(el('span', '')), cell.appendChild(el('small', ''))];
      setText(cell.parts[0], eventName(row.of));
      setText(cell.parts[1], `${row.of.kind} · ${shown(eventText(row.of) ?? short(row.of.place))}`);
      setClass(cell.parts[1], row.of.failed ? 'bad' : '');
      cell.title = `${row.of.topic ?? row.of.kind}`;
    },
  },
  { id: 'kind', title: 'kind', classes: 'kind wide', draw: (cell, it) => setText(cell, it.of.kind) },
  {
    id: 'text', title: 'text or failure', classes: 'narrow',
    draw(cell, it) {
      const said = shown(eventText(it.of) ?? '');
      setText(cell, said);
      if (cell.title !== said) cell.title = said;
      setClass(cell, `narrow ${it.of.failed ? 'bad' : 'muted'}`);
    },
  },
  place((it) => it.of.place, 'wide'),
  { id: 'thread', title: 'thread', classes: 'muted wide', draw: (cell, it) => setText(cell, shown(it.of.thread)) },
  { id: 'waited', title: 'waited', classes: 'number', draw: (cell, it) => { setText(cell, it.of.waited === null ? '' : time(it.of.waited)); } },
  {
    id: 'took', title: 'took', classes: 'number',
    draw(cell, it) { setText(cell, it.of.took === null ? 'runs' : time(it.of.took)); },
  },
  { id: 'ran', title: 'calls', classes: 'number wide', draw: (cell, it) => setText(cell, `${it.of.ran}${it.of.stopped ? '■' : ''}`), explains: 'handlers that ran; ■ if one of them stopped it' },
], { title: 'Events, the newest first', open: openStep, onScroll: () => showEvents(), classes: (it) => (it.of.took === null ? 'runs' : '') });

const queueTable = new Table('queues', [
  {
    id: 'place', title: 'queue', classes: 'name',
    draw(cell, it) {
      cell.parts ??= [cell.appendChild(el('span', 'mono')), cell.appendChild(el('span', 'tag'))];
      setText(cell.parts[0], shown(it.of.place));
      setText(cell.parts[1], it.name);
      cell.parts[1].hidden = it.name === 'queue';
      cell.title = it.of.place;
    },
  },
  number('len', 'waiting', (it) => it.of.len, count, { mark: (it) => (isFull(it) ? 'bad' : grows(it) ? 'warn' : '') }),
  {
    id: 'from', title: 'calls of', classes: 'narrow', explains: 'handlers whose calls wait in it',
    draw(cell, it) {
      const said = it.handlers.map((handler) => named(handler.of.label)).join(', ');
      setText(cell, said);
      if (cell.title !== said) cell.title = said;
    },
  },
  { id: 'capacity', title: 'bound', classes: 'number muted', draw: (cell, it) => setText(cell, it.of.capacity === null ? 'none' : count(it.of.capacity)) },
  {
    id: 'fill', title: '', classes: 'narrow',
    draw(cell, it) {
      cell.bar ??= (() => { const bar = el('i', ''); const fill = el('div', 'fill', bar); cell.append(fill); return bar; })();
      cell.firstChild.hidden = it.of.capacity === null;
      setClass(cell.firstChild, `fill ${isFull(it) ? 'is-full' : ''}`);
      cell.bar.style.transform = `scaleX(${Math.min(1, share(it.of.len, it.of.capacity)).toFixed(3)})`;
    },
  },
  spark((it) => it.lens, 'trend', 'last 15 s'),
], { title: 'Queues', open: openQueue });

// Views

const cards = el('div', 'cards');
const hold = button('', () => { ui.isHeld = false; eventTable.root.scrollTop = 0; eventTable.chosen = null; showEvents(); }, '');
hold.hidden = true;
const eventSays = el('span', '');
const eventNote = el('div', 'note', eventSays, hold);
const wiringNote = el('p', 'note');
const picture = el('div', 'wiring');
const warnings = el('ul', 'warnings');

const views = [
  { id: 'handlers', title: 'Handlers', parts: [cards, handlerTable.root], show: showHandlers, size: () => [...world.handlers.values()].reduce((n, it) => n + it.of.count, 0) },
  { id: 'topics', title: 'Topics', parts: [topicTable.root], show: showTopics, size: () => world.topics.size },
  { id: 'events', title: 'Events', parts: [eventNote, eventTable.root], show: showEvents, size: () => null },
  { id: 'wiring', title: 'Wiring', parts: [wiringNote, picture], show: showWiring, size: () => null },
  { id: 'queues', title: 'Queues', parts: [queueTable.root], show: showQueues, size: () => world.queues.size },
  { id: 'warnings', title: 'Warnings', parts: [warnings], show: showWarnings, size: () => allWarnings().length, isWarning: true },
];

const hits = (...texts) => !ui.filter || texts.some((it) => it && it.toLowerCase().includes(ui.filter));
const nothing = (what) => (world.state === null ? '' : ui.filter ? `No ${what} with “${ui.filter}”.` : `No ${what}.`);
const hitHandler = (it) => hits(it.topic, it.of.label, it.of.place) || it.topics.some((topic) => hits(topic));

function showHandlers() {
  showCards();
  allOwn = 0;
  const rows = [];
  for (const it of world.handlers.values()) {
    allOwn = Math.max(allOwn, it.of.own_ns);
    if (hitHandler(it)) rows.push(it);
  }
  handlerTable.set(rows, nothing('handlers'));
}

const cardList = ['slowest', 'busiest', 'failing', 'accumulating', 'unheard', 'waiting', 'behind'].map((title) => {
  const parts = { title: el('span', '', title), value: el('em', ''), name: el('b', ''), place: el('bdi', '') };
  const root = button('card', () => parts.act?.(), el('span', 'what', parts.title, parts.value), parts.name, el('span', 'place', parts.place));
  cards.append(root);
  return Object.assign(parts, { root });
});

function card(at, mark, value, name, under, act, said = short(under)) {
  const it = cardList[at];
  setClass(it.root, `card ${mark}`);
  setText(it.value, value);
  setText(it.name, world.state ? name : '…');
  setText(it.place, said);
  if (it.root.title !== under) it.root.title = shown(under);
  it.root.disabled = !act;
  it.act = act;
}

function most(list, value) {
  let best = null, n = 0;
  for (const it of list) if (value(it) > n) { best = it; n = value(it); }
  return best;
}

function showCards() {
  const all = [...world.handlers.values()];
  const pick = (it, column) => () => {
    if (column) handlerTable.sortBy(column, -1);
    handlerTable.open(it.key);
  };
  const slow = most(all, (it) => it.of.p99);
  if (slow) card(0, slow.of.p99 >= 1e7 ? 'is-warn' : '', `p99 ${time(slow.of.p99)}`, named(slow.of.label), slow.of.place, pick(slow, 'p99'));
  else card(0, '', '', 'nothing was called', '');
  const busy = most(all, (it) => it.of.own_ns), owns = all.reduce((n, it) => n + it.of.own_ns, 0);
  if (busy) card(1, '', `${percent(share(busy.of.own_ns, owns))} of time`, named(busy.of.label), busy.of.place, pick(busy, 'own'));
  else card(1, '', '', 'nothing was called', '');
  const bad = most(all, (it) => it.of.failures);
  if (bad) card(2, 'is-bad', `${count(bad.of.failures)} of ${count(bad.of.calls)}`, named(bad.of.label), bad.of.place, pick(bad, 'failed'));
  else card(2, '', '', 'no failures', '');
  const many = most(all.filter(isMany), (it) => it.of.count);
  const grown = many ? many.of.count - many.first : 0;
  if (many) card(3, 'is-warn', `× ${count(many.of.count)}${grown > 0 ? `, +${count(grown)}` : ''}`, named(many.of.label), many.of.place, pick(many));
  else card(3, '', '', 'no line accumulates', '');
  const lost = most(world.topics.values(), (it) => it.of.unheard);
  if (lost) card(4, 'is-warn', `${count(lost.of.unheard)} events`, shown(lost.name), lost.place ?? '', () => { go('topics'); topicTable.sortBy('unheard', -1); topicTable.open(lost.key); });
  else card(4, '', '', 'all are heard', '');
  const queues = [...world.queues.values()], long = most(queues, (it) => it.of.len + (isFull(it) || grows(it) ? 1e9 : 0));
  if (long) card(5, isFull(long) ? 'is-bad' : grows(long) ? 'is-warn' : '', `${count(long.of.len)}${isFull(long) ? ', full' : grows(long) ? ', grows' : ''}`, long.handlers.length ? `${long.name}, for ${named(long.handlers[0].of.label)}` : long.name, long.of.place, () => { go('queues'); queueTable.open(long.key); });
  else card(5, '', '', 'nothing waits', '');
  const received = [...world.topics.values()].filter((it) => it.of.received);
  const late = most(received.filter(isRecent), (it) => Math.max(1, lagOf(it) ?? 0) + (fallsBehind(it) || hangs(it) ? 1e18 : 0));
  // Who has no bridge does not look for one.
  cardList[6].root.hidden = !received.length;
  cards.classList.toggle('has-lag', received.length > 0);
  if (late) {
    const { last } = late.of.received, grows = fallsBehind(late);
    const value = hangs(late) ? `runs ${time(handling(late))}` : last.lag === null ? '' : last.lag < 0 ? 'clock ahead' : `${time(last.lag)}${grows ? ', grows' : ''}`;
    card(6, grows || hangs(late) ? 'is-warn' : '', value, shown(late.name), last.bridge ?? last.origin ?? '', () => { go('topics'); topicTable.sortBy('lag', -1); topicTable.open(late.key); }, `from ${from(last)}`);
  } else {
    card(6, '', '', 'nothing has come of late', '');
  }
}

function showTopics() {
  topicTable.root.classList.toggle('has-lag', [...world.topics.values()].some((it) => it.of.received));
  topicTable.set([...world.topics.values()].filter((it) => hits(it.name, it.of.type, it.place)), nothing('topics'));
}

function showQueues() {
  queueTable.set([...world.queues.values()].filter((it) => hits(it.of.place) || it.handlers.some(hitHandler)), nothing('queues'));
}

// While somebody points at events, or has gone down, they stay where they are.
const isEventsHeld = () => ui.view === 'events' && (ui.isHeld || eventTable.root.scrollTop > 4 || (eventTable.chosen !== null && document.activeElement === eventTable.root));

function showEvents() {
  const isHeld = isEventsHeld();
  if (!isHeld || !ui.eventsShown.length || ui.eventsFilter !== ui.filter) {
    const all = ui.filter ? world.events.filter((it) => it.search.includes(ui.filter)) : world.events;
    ui.eventsShown = all.slice().reverse();
    ui.eventsFilter = ui.filter;
    ui.newWhileHeld = 0;
  }
  hold.hidden = !isHeld || ui.newWhileHeld === 0;
  setText(hold, `held · ${count(ui.newWhileHeld)} new ↑`);
  const skipped = world.state ? world.state.skipped : 0;
  setText(eventSays, `${ui.filter ? `${count(ui.eventsShown.length)} of the` : 'The'} newest ${count(world.events.length)}.${skipped ? ` The program has kept ${count(skipped)} others no longer.` : ''}`);
  eventTable.set(ui.eventsShown, nothing('events'));
}
eventTable.root.addEventListener('pointerenter', (event) => { if (event.pointerType === 'mouse') ui.isHeld = true; });
eventTable.root.addEventListener('pointerleave', () => { ui.isHeld = false; });

const allWarnings = () => world.state?.warnings ?? [];

// Those that have one of these texts, for the details of what is called or stands there.
function warningsOf(...texts) {
  const all = allWarnings().filter((it) => texts.some((text) => text && it.includes(text)));
  return all.slice(0, 5).map((it) => el('p', 'warning', shown(it)));
}

function showWarnings() {
  const all = allWarnings().filter((it) => hits(it)), key = JSON.stringify(all.slice(0, 500)) + ui.filter;
  if (warnings.key === key) return;
  warnings.key = key;
  const more = all.length - 500;
  warnings.replaceChildren(...all.slice(0, 500).map((it) => el('li', '', shown(it))));
  if (more > 0) warnings.append(el('li', 'muted', `${count(more)} more`));
  if (!all.length) warnings.append(el('p', 'muted', nothing('warnings')));
}

// The picture: topics to the left, handlers in the middle, what they lead to on the right.

function cut(text, most) { return text.length > most ? `${text.slice(0, most - 1)}…` : text; }
function cutFront(text, most) { return text.length > most ? `…${text.slice(text.length - most + 1)}` : text; }

function showWiring() {
  const topics = [...world.topics.values()].filter((it) => hits(it.name) || it.handlers.some(hitHandler));
  const isBusy = new Set([...topics].sort((a, b) => (b.emissions.rate() ?? 0) - (a.emissions.rate() ?? 0) || b.handlers.length - a.handlers.length).slice(0, MOST_BOXES));
  // The busiest are shown, but stay in the order of their names, or they would jump.
  const seen = topics.length > MOST_BOXES && picture.topics && picture.filter === ui.filter
    ? topics.filter((it) => picture.topics.has(it.name)) : topics.filter((it) => isBusy.has(it));
  const left = [], right = new Map(), ends = new Map();
  let unseen = 0;
  for (const topic of seen) {
    const live = topic.handlers.filter((it) => !it.of.gone);
    if (left.length && right.size + Math.min(live.length, MOST_OF_ONE) > MOST_BOXES * 2) break;
    left.push(topic);
    for (const handler of live.slice(0, MOST_OF_ONE)) right.set(handler.key, handler);
    unseen += Math.max(0, live.length - MOST_OF_ONE);
  }
  for (const { of } of right.values()) if (of.to) ends.set(`${of.kind} ${of.to}`, of);
  const key = JSON.stringify([ui.filter, left.map((it) => [it.name, it.handlers.map((h) => [h.key, h.of.to])])]);
  if (key !== picture.key) drawWiring(key, left, right, ends);
  picture.topics = new Set(left.map((it) => it.name));
  picture.filter = ui.filter;
  const more = topics.length - left.length;
  setText(wiringNote, `Topics, handlers, and where these put what they get. ${more > 0 ? `${count(more)} more topics: filter by a name to see them. ` : ''}${unseen > 0 ? `${count(unseen)} more handlers of these.` : ''}`);
  for (const [, box] of picture.boxes) box.update();
}

function drawWiring(key, left, right, ends) {
  picture.key = key;
  picture.boxes = new Map();
  const step = 44, high = 36, small = isNarrow;
  const gap = small ? 60 : 90, n = ends.size ? 3 : 2;
  const room = ((picture.clientWidth || 900) - 48 - gap * (n - 1)) / n;
  const wide = small ? 150 : Math.max(180, Math.min(340, room));
  const columns = [0, wide + gap, 2 * (wide + gap)], top = 24;
  const chars = Math.floor((wide - 20) / 7), monoChars = Math.floor((wide - 20) / 6.7);
  const handlers = [...right.values()], at = new Map(handlers.map((it, n) => [it.key, top + n * step]));
  // Each topic as near to its handlers as those above allow.
  let free = top;
  const ys = new Map();
  for (const topic of left) {
    const own = topic.handlers.filter((it) => at.has(it.key)).map((it) => at.get(it.key));
    const middle = own.length ? own.reduce((a, b) => a + b, 0) / own.length : free;
    ys.set(topic.name, Math.max(free, middle));
    free = ys.get(topic.name) + step;
  }
  const lines = svg('g', {}), boxes = svg('g', {});
  const root = svg('svg', { role: 'img', 'aria-label': 'Topics and their handlers' });
  const link = (from, to, x1, y1, x2, y2, width) => {
    const bend = (x2 - x1) / 2;
    const path = svg('path', { d: `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, 'stroke-width': width });
    path.ends = [from, to];
    lines.append(path);
    return path;
  };
  const box = (id, x, y, title, name, under, act, update) => {
    const number = svg('text', { x: x + wide - 9, y: y + 15, 'text-anchor': 'end', class: 'sub' });
    const label = svg('text', { x: x + 10, y: y + 15 });
    const it = svg('g', { class: 'box', tabindex: 0, role: 'button' }, svg('title', {}, title), svg('rect', { x, y, width: wide, height: high, rx: 5 }),
      label, svg('text', { x: x + 10, y: y + 29, class: 'sub' }, cutFront(under, monoChars)), number);
    const picks = (isOn) => {
      root.classList.toggle('picks', isOn);
      for (const path of lines.children) path.classList.toggle('picked', isOn && path.ends.includes(id));
    };
    it.addEventListener('pointerenter', () => picks(true));
    it.addEventListener('pointerleave', () => picks(false));
    it.addEventListener('focus', () => picks(true));
    it.addEventListener('blur', () => picks(false));
    if (act) {
      it.addEventListener('click', act);
      it.addEventListener('keydown', (event) => { if (event.key === 'Enter') act(); });
    }
    boxes.append(it);
    picture.boxes.set(id, {
      update() {
        update(it, number);
        const taken = number.textContent.length;
        setText(label, cut(name, chars - (taken ? taken + 1 : 0)));
      },
    });
  };
  const mark = (node, classes) => { if (node.marked !== classes) node.setAttribute('class', `box ${node.marked = classes}`); };
  let bottom = Math.max(free, top + handlers.length * step);
  const paths = new Map();
  for (const topic of left) {
    const y = ys.get(topic.name);
    paths.set(topic.name, []);
    for (const handler of topic.handlers) {
      if (at.has(handler.key)) paths.get(topic.name).push(link(`t${topic.name}`, `h${handler.key}`, wide, y + high / 2, columns[1], at.get(handler.key) + high / 2, 1.2));
    }
    box(`t${topic.name}`, 0, y, `${topic.name}\n${topic.of.type ?? ''}\n${topic.place ?? ''}`, shown(topic.name), shown(topic.place ?? topic.of.type ?? ''), () => openTopic(topic.name), (node, number) => {
      const now = world.topics.get(topic.name), n = now?.emissions.rate() ?? 0;
      setText(number, n > 0 ? `${rate(n)}/s` : '');
      mark(node, now && now.of.unheard > 0 && live(now) === 0 ? 'is-warn' : n > 0 ? '' : 'is-idle');
      for (const path of paths.get(topic.name)) {
        const width = n > 0 ? (1 + Math.log10(1 + n) * 0.8).toFixed(1) : '1.2';
        if (path.width !== width) path.setAttribute('stroke-width', path.width = width);
        path.classList.toggle('lives', n > 0);
      }
    });
  }
  let endAt = top;
  const endYs = new Map();
  for (const [id, of] of ends) {
    const own = handlers.filter((it) => `${it.of.kind} ${it.of.to}` === id).map((it) => at.get(it.key));
    const y = Math.max(endAt, own[0] ?? 0);
    endYs.set(id, y);
    endAt = y + step;
    box(`e${id}`, columns[2], y, `${of.kind}\n${of.to}`, of.kind === 'queue' ? 'queue' : 'topic', shown(of.to), () => (of.kind === 'queue' ? openQueue([...world.queues.values()].find((it) => it.of.place === of.to)?.key) : openTopic(of.to)), (node, number) => {
      const queue = of.kind === 'queue' ? [...world.queues.values()].find((it) => it.of.place === of.to) : null;
      setText(number, queue ? `${count(queue.of.len)}${queue.of.capacity === null ? '' : ` of ${count(queue.of.capacity)}`}` : '');
      mark(node, queue && isFull(queue) ? 'is-bad' : queue && grows(queue) ? 'is-warn' : '');
    });
  }
  bottom = Math.max(bottom, endAt);
  for (const handler of handlers) {
    const y = at.get(handler.key), { of } = handler;
    if (of.to) link(`h${handler.key}`, `e${of.kind} ${of.to}`, columns[1] + wide, y + high / 2, columns[2], endYs.get(`${of.kind} ${of.to}`) + high / 2, 1.2);
    box(`h${handler.key}`, columns[1], y, `${named(of.label)}\n${of.place}\n${of.pattern ? `pattern ${of.pattern}` : handler.topic}`, named(of.label), shown(of.place), () => openHandler(handler.key), (node, number) => {
      const now = world.handlers.get(handler.key);
      if (!now) return;
      setText(number, now.of.failures ? `${count(now.of.failures)} failed` : now.of.count > 1 ? `× ${count(now.of.count)}` : now.of.kind === 'plain' ? '' : now.of.kind);
      mark(node, now.of.failures ? 'is-bad' : isMany(now) ? 'is-warn' : now.of.calls ? '' : 'is-idle');
    });
  }
  const titles = ['topics', 'handlers', ends.size ? 'queues and topics' : ''];
  titles.forEach((it, n) => { if (it) boxes.append(svg('text', { x: columns[n], y: 12, class: 'title' }, it)); });
  const width = columns[ends.size ? 2 : 1] + wide + 2;
  root.setAttribute('width', width);
  root.setAttribute('height', bottom + 10);
  root.append(lines, boxes);
  picture.replaceChildren(left.length ? root : el('p', 'muted', nothing('topics')));
}

// Details

let details = null; // { update, steps }
let openedBy = null;

function showDetail(title, update) {
  const aside = $('detail');
  if (aside.hidden) openedBy = document.activeElement;
  const body = el('div', 'detail-body');
  aside.replaceChildren(el('div', 'detail-head', el('h2', '', title), button('', closeDetail, 'Close')), body);
  aside.hidden = false;
  aside.scrollTop = 0;
  details = { body, update, key: null };
  update(body);
  requestAnimationFrame(show);
}

function closeDetail() {
  $('detail').hidden = true;
  details = null;
  for (const it of [handlerTable, topicTable, eventTable, queueTable]) it.chosen = null;
  if (openedBy?.isConnected) openedBy.focus({ preventScroll: true });
}

function facts(list) {
  const it = el('dl', 'facts');
  for (const [name, value, classes] of list) {
    if (value === null || value === undefined || value === '') continue;
    it.append(el('dt', '', name), el('dd', classes ?? '', value));
  }
  return it;
}

function lines(list, mostLines = 100) {
  const it = el('div', 'lines');
  for (const [act, ...parts] of list.slice(0, mostLines)) it.append(act ? button('line', act, ...parts) : el('div', 'line', ...parts));
  if (list.length > mostLines) it.append(el('p', 'muted', `${count(list.length - mostLines)} more`));
  return it;
}

function seeEvents(filter) {
  closeDetail();
  setFilter(filter);
  go('events');
}

// What the events are filtered by that a handler was called for. Only calls that waited, and futures, have its label.
function eventsOf({ of, topic }) {
  const hasOwn = of.label !== null && (of.kind === 'queue' || of.kind === 'async');
  return hasOwn ? of.label : topic.split(/[*>]/)[0];
}

function openTopic(name) {
  showDetail(shown(name) || '(empty name)', (body) => {
    const topic = world.topics.get(name);
    if (!topic) return body.replaceChildren(el('p', 'muted', 'This topic does not exist any more.'));
    const emitters = world.state.emitters.filter((it) => it.topic === name && it.place !== null).sort((a, b) => b.emissions - a.emissions);
    const { of } = topic, others = world.state.emitters.find((it) => it.place === null);
    body.replaceChildren(
      ...warningsOf(`"${name}"`),
      facts([
        ['type', of.type, 'mono'], ['first used at', of.place, 'mono'], ['events', count(of.emissions)],
        ['now', `${rate(topic.emissions.rate())} a second`], ['unheard', of.unheard ? count(of.unheard) : null, 'warn'], ['kept', of.retained ? count(of.retained) : null],
      ]),
      ...receivedOf(topic),
      el('h3', '', 'Emitted at'),
      emitters.length ? lines(emitters.map((it) => [null, placeOf(it.place), el('span', '', count(it.emissions))])) : el('p', 'muted', 'nowhere yet'),
      others ? el('p', 'muted', `${count(others.emissions)} events of all topics were emitted at lines beyond those that are kept.`) : '',
      el('h3', '', 'Handlers, in the order of calls'),
      topic.handlers.length ? lines(topic.handlers.map((it) => [() => openHandler(it.key), el('span', it.of.label === null ? 'none' : '', `${named(it.of.label)}${it.of.count > 1 ? ` × ${count(it.of.count)}` : ''}${it.of.gone ? ' (gone)' : ''}`),
        placeOf(it.of.place), el('span', it.of.failures ? 'bad' : 'muted', it.of.failures ? `${count(it.of.failures)} failed` : it.of.p99 ? time(it.of.p99) : '')])) : el('p', 'muted', 'none'),
      el('h3', '', ''),
      button('line link', () => seeEvents(name), el('span', '', 'Its events →')),
    );
  });
}

// What is known of the events of a topic that have come from other machines.
function receivedOf(topic) {
  const { received } = topic.of;
  if (!received) return [];
  const { last } = received, trend = el('div', 'lags');
  spark(() => topic.lags).draw(trend, topic);
  return [
    el('h3', '', 'Received by a bridge'),
    facts([
      ['events', count(received.count)], ['the last from', from(last)], ['its origin', last.origin === null ? null : shown(last.origin), 'mono'], ['its number', last.number === null ? null : count(last.number)],
      ['lag', age(last) ?? 'not known: its sender is not followed', fallsBehind(topic) ? 'warn' : ''], ['behind it', say(last.pending, 'event', 'events')],
      hangs(topic) ? ['being handled', `for ${time(handling(topic))}`, 'warn'] : ['handled', `${time(world.state.at - received.at)} ago`], ['over time', topic.lags.length > 1 ? trend : null],
    ]),
  ];
}

function openHandler(key) {
  const known = world.handlers.get(key);
  if (!known) return;
  showDetail(named(known.of.label), (body) => {
    const it = world.handlers.get(key);
    if (!it) return body.replaceChildren(el('p', 'muted', 'This handler does not exist any more.'));
    const { of } = it;
    body.replaceChildren(
      ...warningsOf(`subscribed at ${of.place}:`),
      facts([
        ['subscribed at', of.place, 'mono'], [of.pattern ? 'pattern' : 'topic', shown(it.topic)],
        ['kind', of.gone ? 'gone: not subscribed any more' : of.kind], [of.kind === 'queue' ? 'queue made at' : 'leads to', of.to, 'mono'],
        ['priority', of.priority || null], ['subscribed', of.count > 1 ? `${count(of.count)} times by this line${it.of.count > it.first ? `, ${count(it.first)} when this page was opened` : ''}` : null, isMany(it) ? 'warn' : ''],
        ['paused', of.paused ? `${of.paused} times` : null], ['calls left', of.left === null ? null : count(of.left)],
        ['calls', `${count(of.calls)}, ${rate(it.calls.rate())} a second`], ['failed', of.failures ? `${count(of.failures)} (${percent(share(of.failures, of.calls))})` : '0', of.failures ? 'bad' : ''],
        ['skipped', of.skipped ? count(of.skipped) : null],
        ['one call', of.calls ? `half of them ≤ ${time(of.p50)}, 99 % ≤ ${time(of.p99)}` : null],
        ['own time', time(of.own_ns)], ['with nested', time(of.total_ns)],
      ]),
      el('h3', '', 'Hears'),
      lines(it.topics.map((topic) => [() => openTopic(topic), el('span', '', shown(topic)), el('span', 'muted', `${rate(world.topics.get(topic)?.emissions.rate() ?? null)}/s`)])),
      el('h3', '', ''),
      button('line link', () => seeEvents(eventsOf(it)), el('span', '', 'Its events →')),
    );
  });
}

function openQueue(key) {
  const known = world.queues.get(key);
  if (!known) return;
  showDetail(`${known.name}, ${short(known.of.place)}`, (body) => {
    const queue = world.queues.get(key);
    if (!queue) return body.replaceChildren(el('p', 'muted', 'This queue does not exist any more.'));
    const { of } = queue;
    body.replaceChildren(
      ...warningsOf(`made at ${of.place}:`),
      facts([
        ['made at', of.place, 'mono'], ['waiting', count(of.len), isFull(queue) ? 'bad' : grows(queue) ? 'warn' : ''],
        ['bound', of.capacity === null ? 'none' : count(of.capacity)],
      ]),
      el('h3', '', 'Handlers whose calls wait in it'),
      queue.handlers.length ? lines(queue.handlers.map((it) => [() => openHandler(it.key), el('span', it.of.label === null ? 'none' : '', named(it.of.label)), placeOf(it.of.place), el('span', 'muted', shown(it.topic))]))
        : el('p', 'muted', queue.name === 'queue' ? 'none' : 'none: only what is deferred'),
    );
  });
}

function openStep(id) {
  const event = world.byId.get(id);
  const asked = { id, cascade: null, error: null, isAsking: false, at: -Infinity };
  const ask = async () => {
    asked.isAsking = true;
    asked.at = performance.now();
    try {
      const answer = await get(`v1/cascade?of=${encodeURIComponent(id)}`);
      if (answer.ok) asked.cascade = await answer.json();
      else if (!asked.cascade) asked.error = answer.status === 404 ? 'It is not kept any more: the tail of the program has gone on.' : answer.status === 410 ? 'The bus is not followed any more.' : await answer.text();
    } catch {
      if (!asked.cascade) asked.error = 'The program does not answer.';
    }
    asked.isAsking = false;
    if (details?.asked === asked) { details.key = null; details.update(details.body); }
  };
  showDetail(event ? eventName(event.of) : id, (body) => {
    if (!asked.isAsking && performance.now() - asked.at > 1000 && !asked.isOver) ask();
    const key = JSON.stringify([asked.cascade, asked.error]);
    if (details && details.key === key) return;
    if (details) details.key = key;
    const { cascade } = asked;
    if (!cascade) {
      body.replaceChildren(el('p', 'muted', asked.error ?? 'Asking …'));
      return;
    }
    drawCascade(body, cascade, id);
    const last = Math.max(...cascade.steps.map(({ step }) => step.at + (step.took ?? 0)));
    // What has been quiet for a while will hardly lead to more.
    asked.isOver = world.state.at - last > 30e9 && cascade.steps.every(({ step }) => step.took !== null);
  });
  details.asked = asked;
}

// All that the filter of the events looks at.
function searched(step) {
  const own = [step.id, step.topic, step.label, step.place, step.thread, step.text, step.failure, step.failed ? 'failed' : '',
    step.received?.bridge, step.received?.origin, step.remote];
  return own.filter(Boolean).join('\n').toLowerCase();
}

// Calls one after the other of what one line has subscribed with one label are one.
function together(calls) {
  const all = [];
  for (const it of calls) {
    const last = all[all.length - 1];
    if (last && last.label === it.label && last.place === it.place) {
      last.times += 1;
      last.own_ns += it.own_ns;
      last.failed ||= it.failed;
    } else {
      all.push({ ...it, times: 1 });
    }
  }
  return all;
}

// A place that is cut at its beginning where there is not enough room.
function placeOf(place) {
  const it = el('span', 'place', el('bdi', '', shown(place)));
  it.title = shown(place);
  return it;
}

// From where a step has come, and what has led to it there.
function come({ received, remote, remote_place: line }) {
  const all = [];
  if (received) {
    const parts = [`from ${from(received)}`, received.number === null ? null : `number ${count(received.number)}`, age(received), received.pending ? `${count(received.pending)} behind it` : null];
    const it = el('div', 'sub come', ...parts.filter(Boolean).map((part) => el('span', '', part)));
    it.title = received.origin === null ? '' : shown(received.origin);
    all.push(it);
  }
  if (remote) {
    const it = el('div', 'sub come', el('span', '', 'emitted there at'), line ? placeOf(line) : el('span', '', 'an unknown line'), el('span', 'mono', shown(remote).split('/').pop()));
    it.title = shown(remote);
    all.push(it);
  }
  return all;
}

function drawCascade(body, cascade, id) {
  const steps = cascade.steps.map(({ depth, step }) => ({ depth, ...step }));
  const now = world.state?.at ?? 0;
  const start = (it) => it.at - (it.waited ?? 0), end = (it) => it.at + (it.took ?? Math.max(0, now - it.at));
  const from = Math.min(...steps.map(start)), to = Math.max(...steps.map(end), from + 1);
  const threads = new Set(steps.map((it) => it.thread)), bad = steps.filter((it) => it.failed).length;
  const asked = steps.find((it) => it.id === id);
  const left = (ns) => `${(100 * (ns - from) / (to - from)).toFixed(2)}%`;
  const wide = (ns) => `${(100 * ns / (to - from)).toFixed(2)}%`;
  const list = el('div', 'steps');
  for (const it of steps.slice(0, MOST_STEPS)) {
    const what = el('div', 'what');
    what.style.paddingLeft = `${Math.min(it.depth, 12) * 14}px`;
    const verb = { emitted: 'emitted at', deferred: 'deferred at', queued: 'handler at', async: 'handler at', posted: 'posted at', job: 'submitted at', received: 'received by' }[it.kind] ?? it.kind;
    what.append(el('div', '', el('span', 'muted', it.depth ? '└ ' : ''), el('b', '', eventName(it)), ' ', el('span', 'muted', it.kind === 'queued' ? `queued, of ${shown(it.topic ?? '')}` : it.kind === 'async' ? `future, of ${shown(it.topic ?? '')}` : ''), it.stopped ? el('span', 'tag', 'stopped') : null, it.ran > 1 ? el('span', 'tag', `${it.ran} calls`) : null));
    const under = el('div', 'sub', el('span', '', verb), placeOf(it.place), el('span', '', `on ${shown(it.thread)}`));
    under.title = `${it.id}\n${shown(it.place)}`;
    what.append(under, ...come(it));
    if (it.text !== null) what.append(el('div', 'text muted', shown(it.text)));
    if (it.failed) what.append(el('div', 'text bad', shown(it.failure ?? 'failed')));
    const calls = it.kind === 'queued' || it.kind === 'async' ? [] : together(it.calls);
    for (const call of calls) {
      what.append(el('div', 'sub', el('span', call.failed ? 'bad' : '', `· ${named(call.label)}${call.times > 1 ? ` × ${call.times}` : ''}`), placeOf(call.place), el('span', '', time(call.own_ns))));
    }
    if (it.ran > it.calls.length && calls.length) what.append(el('div', 'sub', el('span', '', `· ${count(it.ran - it.calls.length)} more calls`)));
    const when = el('div', 'when');
    if (it.waited) {
      const bar = el('i', 'wait');
      Object.assign(bar.style, { left: left(start(it)), width: wide(it.waited) });
      when.append(bar);
    }
    const bar = el('i', `${it.failed ? 'is-bad' : ''} ${it.took === null ? 'runs' : ''}`);
    Object.assign(bar.style, { left: left(it.at), width: wide(end(it) - it.at) });
    const label = el('span', '', `${it.waited ? `waited ${time(it.waited)}, ` : ''}${it.took === null ? 'runs' : time(it.took)}`);
    // Where there is more room.
    if ((start(it) - from) / (to - from) > 0.45) label.style.right = `${(100 - 100 * (end(it) - from) / (to - from)).toFixed(2)}%`;
    else label.style.left = left(start(it));
    when.append(bar, label);
    list.append(el('div', `step ${it.id === id ? 'is-asked' : ''}`, what, when));
  }
  const more = steps.length - MOST_STEPS;
  body.replaceChildren(
    facts([
      ['this one', id],
      ['began', asked ? clock(asked.at) : null], ['took', asked ? (asked.took === null ? 'runs' : time(asked.took)) : null],
      ['root', asked && steps[0].id !== id ? `${eventName(steps[0])}, ${time(asked.at - steps[0].at)} before` : null],
      ['all of it', `${time(to - from)}, ${say(steps.length, 'step', 'steps')}, ${say(threads.size, 'thread', 'threads')}`],
      ['failed', bad ? say(bad, 'step', 'steps') : null, 'bad'],
    ]),
    cascade.before ? el('p', 'warn', `What led to this (${cascade.before}) is not kept any more.`) : '',
    el('div', 'axis', el('span', '', 'what led to what'), el('div', '', el('b', '', '0'), el('b', '', time((to - from) / 2)), el('b', '', time(to - from)))),
    list,
    more > 0 ? el('p', 'muted', `${count(more)} more steps`) : '',
  );
  const mark = list.querySelector('.is-asked');
  if (mark && !details.hasScrolled) {
    details.hasScrolled = true;
    mark.scrollIntoView({ block: 'nearest' });
  }
}

// The frame

const figures = {};
for (const [id, title] of [['events', 'events/s'], ['calls', 'calls/s'], ['failed', 'failed'], ['waiting', 'waiting']]) {
  figures[id] = el('dd', '', '–');
  $('figures').append(el('div', '', el('dt', '', title), figures[id]));
}

const tabs = views.map((view, at) => {
  const size = el('small', '');
  const tab = button('', () => go(view.id), view.title, size);
  tab.setAttribute('role', 'tab');
  tab.title = `${at + 1}`;
  $('tabs').append(tab);
  const root = el('section', 'view', ...view.parts);
  root.setAttribute('role', 'tabpanel');
  root.setAttribute('aria-label', view.title);
  $('main').append(root);
  return { view, tab, size, root };
});

function go(id) {
  ui.view = id;
  ui.isHeld = false;
  for (const it of tabs) {
    const isIt = it.view.id === id;
    it.root.hidden = !isIt;
    it.tab.setAttribute('aria-selected', isIt);
    it.tab.tabIndex = isIt ? 0 : -1;
  }
  show();
}

function setFilter(text) {
  $('filter').value = text;
  ui.filter = text.trim().toLowerCase();
  show();
}

function show() {
  if (world.state) {
    const { process } = world.state;
    setText($('process'), `${shown(process.name ?? 'program')} · process ${process.id} · followed for ${clock(world.state.at).replace(/\..*/, '')}`);
    let events = 0, calls = 0, failed = 0, waiting = 0;
    for (const it of world.topics.values()) events += it.emissions.rate() ?? 0;
    for (const it of world.handlers.values()) { calls += it.calls.rate() ?? 0; failed += it.of.failures; }
    for (const it of world.queues.values()) waiting += it.of.len;
    setText(figures.events, rate(world.times.length > 1 ? events : null));
    setText(figures.calls, rate(world.times.length > 1 ? calls : null));
    setText(figures.failed, count(failed));
    setClass(figures.failed, failed ? 'bad' : '');
    setText(figures.waiting, count(waiting));
  }
  for (const { view, size } of tabs) {
    const n = view.size();
    setText(size, n === null ? '' : count(n));
    setClass(size, view.isWarning && n ? 'warn' : '');
  }
  views.find((it) => it.id === ui.view).show();
  details?.update(details.body);
}

function status(is, text, banner) {
  const it = $('status');
  it.dataset.is = is;
  setText(it, text);
  document.body.classList.toggle('stale', is === 'lost');
  $('banner').hidden = !banner;
  setText($('banner'), banner ?? '');
}

// Asking

function get(path) {
  return fetch(path, {
    headers: { Authorization: `Bearer ${token}` }, cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(8000),
  });
}

async function ask() {
  if (!token) {
    status('lost', 'no token', 'This page needs the whole URL that the program has: with # and the token at its end.');
    return 1000;
  }
  const asked = token, began = performance.now();
  let answer;
  try {
    answer = await get(`v1/state?after=${world.after}`);
    if (answer.ok) {
      const state = fill(await answer.json());
      if (asked !== token) return 0;
      // Less time than before, or another process: another following, of which nothing here is true.
      if (world.state && (state.at < world.state.at || state.process.id !== world.state.process.id)) {
        forget();
        return 0;
      }
      take(state);
      status(ui.isPaused ? 'wait' : 'live', ui.isPaused ? 'paused' : 'live');
      show();
      // If there is so much that it takes long, less often.
      return Math.max(EVERY - (performance.now() - began), performance.now() - began);
    }
  } catch {
    status('lost', 'not connected', world.state
      ? 'Not connected: the program has ended, is stopped, or serves the page no more. What you see is the last that was known. Trying again …'
      : 'Not connected: no program answers at this address. Trying again …');
    return 1000;
  }
  if (answer.status === 410) {
    status('lost', 'ended', `The bus is not followed any more: what \`follow\` returned was dropped, or the bus is followed anew.${world.state ? ' What you see is the last that was known.' : ''}`);
  } else if (answer.status === 401) {
    status('lost', 'not connected', 'A program answers here, but has another token: it is not the one of this URL. Open the page by the URL that the new one has.');
  } else {
    status('lost', 'not connected', `The program answers ${answer.status}: ${(await answer.text().catch(() => '')).slice(0, 200)}`);
  }
  return 1000;
}

async function run() {
  for (;;) {
    let wait = EVERY;
    try {
      if (!ui.isPaused) wait = await ask();
    } catch (error) {
      console.error(error);
      status('lost', 'error', `This page has failed: ${error.message}`);
      wait = 1000;
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

function pause() {
  ui.isPaused = !ui.isPaused;
  $('pause').setAttribute('aria-pressed', ui.isPaused);
  setText($('pause'), ui.isPaused ? 'Resume' : 'Pause');
  if (ui.isPaused) status('wait', 'paused');
}

$('pause').addEventListener('click', pause);
$('filter').addEventListener('input', (event) => setFilter(event.target.value));
new ResizeObserver(() => {
  isNarrow = $('main').clientWidth <= 640;
  picture.key = null;
  requestAnimationFrame(show);
}).observe($('main'));
addEventListener('hashchange', () => {
  token = location.hash.slice(1);
  forget();
  closeDetail();
});
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isTyping = event.target === $('filter');
  if (event.key === 'Escape') {
    if (isTyping && ui.filter) { event.preventDefault(); setFilter(''); } else if (isTyping) event.target.blur();
    else if (details) closeDetail();
    return;
  }
  if (isTyping) return;
  const tab = event.target.closest?.('[role=tab]');
  if (tab && (event.key === 'ArrowRight' || event.key === 'ArrowLeft')) {
    const at = tabs.findIndex((it) => it.tab === tab), n = tabs.length;
    const to = tabs[(at + (event.key === 'ArrowRight' ? 1 : n - 1)) % n];
    go(to.view.id);
    to.tab.focus();
  } else if (event.key === '/') {
    event.preventDefault();
    $('filter').focus();
    $('filter').select();
  } else if (event.key === 'p' || event.key === 'P') {
    pause();
  } else if (event.key >= '1' && event.key <= String(views.length)) {
    go(views[event.key - 1].id);
  }
});

go('handlers');
run();
