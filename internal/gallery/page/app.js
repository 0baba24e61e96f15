// The page: what the fragment of the address says is shown; all else follows from it.

import { aborted, json, onContact, rest, sentence, Fault } from './api.js';
import { byId, h, say } from './dom.js';
import { Facets } from './facets.js';
import { baseName, count } from './format.js';
import { tell as tellFound } from './found.js';
import { Grid } from './grid.js';
import { openHelp } from './help.js';
import { Notice } from './notice.js';
import { run, toggle } from './query.js';
import { format, parse } from './route.js';
import { SampleView } from './sample.js';
import { Samples } from './samples.js';
import { Settings } from './settings.js';
import { StatisticsView } from './statistics.js';

/** @typedef {import('./route.js').Route} Route */
/** @typedef {import('./api.js').ShardSet} ShardSet */
/** @typedef {import('./api.js').Filter} Filter */

const query = byId('query', HTMLInputElement);
const queryFault = byId('query-fault', HTMLParagraphElement);
const facetsHost = byId('facets', HTMLElement);
const facetsButton = byId('facets-button', HTMLButtonElement);
const shardChoice = byId('shard', HTMLSelectElement);
const help = byId('help', HTMLDialogElement);
const views = {
  grid: byId('grid-view', HTMLElement),
  sample: byId('sample-view', HTMLElement),
  statistics: byId('statistics-view', HTMLElement),
};

/** @type {ShardSet | null} */
let set = null;
let route = parse(location.hash);
/** @type {string | null} the filter that is shown; null before the first one */
let shown = null;
/** @type {Filter | null} */
let filter = null;
/** @type {AbortController} */
let filtering = new AbortController();
/** @type {Samples} */
let samples = new Samples(undefined, 0, () => {});
let lastSample = -1; // its place, to have the focus on again

const notice = new Notice();
const settings = new Settings((size) => grid.resize(size));
const grid = new Grid(
  byId('grid', HTMLElement),
  (i, sample) =>
    format({
      view: 'sample',
      n: sample.n,
      q: route.q,
      i: route.q ? i : undefined,
    }),
  moved,
);
const sampleView = new SampleView(views.sample);
const statistics = new StatisticsView(views.statistics);
const facets = new Facets(facetsHost, (term) => search(toggle(query.value, term)));
grid.side = settings.size;

/** Follows the address. */
function follow() {
  const before = route;
  route = parse(location.hash);
  for (const [name, view] of Object.entries(views)) view.hidden = name !== route.view;
  document.body.dataset.view = route.view;
  byId('statistics-link', HTMLAnchorElement).setAttribute(
    'aria-current',
    route.view === 'statistics' ? 'page' : 'false',
  );
  if (route.view !== 'sample') document.title = set ? `${baseName(set.title)} – shardfs` : 'shardfs';
  if (before.view === 'sample' && route.view !== 'sample') sampleView.close();
  if (route.view === 'statistics') {
    statistics.open();
    if (before.view !== 'statistics') statistics.heading.focus();
  } else statistics.close();
  if (route.view !== 'statistics' && shown !== route.q)
    select(route.q, route.view === 'grid' ? route.at : (route.i ?? 0));
  else if (route.view === 'grid') showGrid(before);
  if (route.view === 'sample') {
    if (before.view === 'sample' && before.n === route.n && sampleView.sample) sampleView.choose(route.m);
    else openSample();
  }
}

/** @param {Route} before */
function showGrid(before) {
  if (before.view !== 'grid') grid.layOut(Math.floor(route.at / grid.columns) * grid.columns);
  else if (Math.abs(route.at - grid.first) >= grid.columns) grid.rows.show(Math.floor(route.at / grid.columns));
  if (before.view === 'sample' && lastSample >= 0) grid.focus(lastSample);
}

function openSample() {
  const place = route.q ? route.i : route.n;
  if (place !== undefined) lastSample = place;
  const total = route.q ? filter?.total : set?.samples;
  const begin = place !== undefined && grid.columns > 0 ? place - (place % grid.columns) : 0;
  sampleView
    .open({
      n: route.n,
      m: route.m,
      step,
      place: place === undefined || !total ? '' : `${count(place + 1)} of ${count(total)}`,
      back: format({ view: 'grid', q: route.q, at: begin }),
      choose: (m) => replace(format({ ...route, m })),
    })
    .then(() => sampleView.heading.focus({ preventScroll: true }));
}

/**
 * Goes to the sample that comes some places later, among those that were found.
 * @param {number} by
 */
async function step(by) {
  const last = (set?.samples ?? 1) - 1;
  if (!route.q || route.i === undefined || !filter) {
    const n = route.n + by;
    if (n < 0 || n > last) say('There are no more samples');
    else replace(format({ view: 'sample', n, q: route.q }));
    return;
  }
  const i = route.i + by;
  try {
    /** @type {{ samples: import('./api.js').Sample[] }} */
    const answer = i < 0 ? { samples: [] } : await json('api/samples', { from: i, count: 1, filter: filter.id });
    const next = answer.samples[0];
    if (next) replace(format({ view: 'sample', n: next.n, q: route.q, i }));
    else say('There are no more samples');
  } catch (error) {
    say(sentence(error));
  }
}

/**
 * Changes the address without a new entry in the history.
 * @param {string} hash
 */
function replace(hash) {
  history.replaceState(null, '', hash);
  follow();
}

/**
 * Shows the samples of a filter, beginning with one.
 * @param {string} text
 * @param {number} at
 */
async function select(text, at) {
  filtering.abort();
  filtering = new AbortController();
  const { signal } = filtering;
  shown = text;
  if (query.value.trim() !== text.trim()) query.value = text;
  if (!text.trim()) {
    filter = null;
    fault('');
    list(undefined, set?.samples ?? 0, at);
    return;
  }
  try {
    let id = '';
    await run(
      text,
      (answer) => {
        filter = answer;
        fault('');
        if (answer.id !== id) list(answer.id, answer.total, at);
        id = answer.id;
        samples.total = answer.total;
        grid.refresh();
        tell();
      },
      signal,
    );
    samples.renew();
    grid.refresh();
    grid.layOut();
  } catch (error) {
    if (aborted(error)) return;
    fault(sentence(error));
  }
}

/**
 * @param {string | undefined} id
 * @param {number} total
 * @param {number} at
 */
function list(id, total, at) {
  samples = new Samples(id, total, () => {
    grid.refresh();
    tell();
  });
  grid.show(samples, at);
  facets.show(id, shown ?? '');
  tell();
}

/** @param {string} text */
function fault(text) {
  queryFault.textContent = text;
  query.setAttribute('aria-invalid', String(text !== ''));
}

/** Says how many samples there are. */
function tell() {
  if (set || samples.total > 0 || samples.fault) tellFound(set?.samples ?? samples.total, filter, samples.fault);
}

/**
 * Filters by other words.
 * @param {string} text
 */
function search(text) {
  query.value = text;
  const hash = format({ view: 'grid', q: text.trim() });
  // Each letter that is typed would be an entry in the history.
  if (route.view === 'grid') replace(hash);
  else location.hash = hash;
}

/** @type {number | undefined} */
let movedTimer;

/**
 * Keeps the first sample in view in the address.
 * @param {number} at
 */
function moved(at) {
  clearTimeout(movedTimer);
  movedTimer = setTimeout(() => {
    // A link may have been followed whose event has not come.
    if (route.view !== 'grid' || parse(location.hash).view !== 'grid') return;
    route.at = at;
    history.replaceState(null, '', format(route));
    const sample = samples.at(at);
    if (sample) shardChoice.value = String(sample.shard);
  }, 250);
}

/** Asks what there is, again and again while shards are being indexed, and in a mount, which changes. */
async function watchSet() {
  for (let wait = 300; ; wait = Math.min(wait * 1.5, 5000)) {
    try {
      const now = /** @type {ShardSet} */ (await json('api/set'));
      const before = set;
      set = now;
      if (!before || before.samples !== now.samples || before.generation !== now.generation) arrived(before);
      drawSet(now, before);
      const settled = now.shards.every((shard) => shard.state !== 'indexing' && shard.state !== 'waiting');
      await rest(settled ? 5000 : wait);
    } catch (error) {
      if (error instanceof Fault && error.status !== 0) notice.error(error.message);
      await rest(Math.max(1000, wait));
    }
    while (document.hidden) await rest(600000);
  }
}

/** @param {ShardSet | null} before */
function arrived(before) {
  if (!before && shown === null) return follow();
  if (!set) return;
  const other = before !== null && before.generation !== set.generation;
  if (other && !set.mount && route.view === 'sample') openSample();
  if (filter) {
    if (other) select(shown ?? '', grid.first);
    return tell();
  }
  samples.total = set.samples;
  if (other) samples.forget();
  grid.refresh();
  grid.layOut();
  tell();
}

/**
 * @param {ShardSet} now
 * @param {ShardSet | null} before
 */
function drawSet(now, before) {
  notice.shards(now);
  if (JSON.stringify(before?.shards) === JSON.stringify(now.shards)) return;
  const home = byId('home', HTMLAnchorElement);
  home.textContent = baseName(now.title);
  home.title = now.title;
  if (route.view !== 'sample') document.title = `${baseName(now.title)} – shardfs`;
  facets.changes = now.mount;
  byId('shard-choice', HTMLLabelElement).hidden = now.shards.length < 2;
  const value = shardChoice.value;
  shardChoice.replaceChildren(
    ...now.shards.map((shard, i) =>
      h('option', { value: i }, `${shard.name} (${shard.state === 'ready' ? count(shard.samples) : shard.state})`),
    ),
  );
  if (value) shardChoice.value = value;
  tell();
}

/** Shows the first sample of the shard that was chosen. */
function goToShard() {
  const i = Number(shardChoice.value);
  const at = set?.shards[i]?.first ?? set?.shards.slice(0, i).reduce((sum, shard) => sum + shard.samples, 0) ?? 0;
  location.hash = format({ view: 'grid', at });
}

/** @param {Event} event */
function goToSample(event) {
  const input = /** @type {HTMLInputElement} */ (event.target);
  const n = Number(input.value.replace(/\s/g, ''));
  if (!Number.isInteger(n) || n < 1) return;
  grid.focus(n - 1);
  input.value = '';
}

/** @param {KeyboardEvent} event */
function keys(event) {
  const target = event.target;
  const typing =
    (target instanceof HTMLInputElement && target.type !== 'range' && target.type !== 'checkbox') ||
    target instanceof HTMLSelectElement;
  if (event.key === 'Escape' && !help.open) return escape(typing);
  if (typing || event.ctrlKey || event.metaKey || event.altKey || help.open || target instanceof HTMLMediaElement)
    return;
  const on = target instanceof HTMLInputElement;
  /** @type {Record<string, () => void>} */
  const acts = {
    '/': () => query.focus(),
    '?': () => openHelp(help, search),
    f: () => facetsButton.click(),
    g: () => byId('goto', HTMLInputElement).focus(),
  };
  if (route.view === 'sample' && !on) {
    acts.ArrowLeft = () => step(-1);
    acts.ArrowRight = () => step(1);
  }
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

/** @param {boolean} typing */
function escape(typing) {
  if (typing) grid.focus(grid.current);
  else if (route.view === 'sample') location.hash = format({ view: 'grid', q: route.q, at: Math.max(0, lastSample) });
  else if (route.view === 'statistics') location.hash = format({ view: 'grid', q: shown ?? '' });
  else if (!facetsHost.hidden) facetsButton.click();
}

function toggleFacets() {
  facetsHost.hidden = !facetsHost.hidden;
  facetsButton.setAttribute('aria-expanded', String(!facetsHost.hidden));
  settings.facets = !facetsHost.hidden;
  facets.show(filter?.id, shown ?? '');
}

/** @param {boolean} answered */
function contact(answered) {
  if (!notice.contact(answered)) return;
  samples.forget();
  grid.refresh();
  grid.layOut();
}

/** @type {number | undefined} */
let typed;
onContact(contact);
query.addEventListener('input', () => {
  clearTimeout(typed);
  typed = setTimeout(() => search(query.value), 250);
});
byId('search', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  clearTimeout(typed);
  search(query.value);
});
byId('query-help', HTMLButtonElement).addEventListener('click', () => openHelp(help, search));
byId('goto', HTMLInputElement).addEventListener('change', goToSample);
shardChoice.addEventListener('change', goToShard);
facetsButton.addEventListener('click', toggleFacets);
byId('clear', HTMLButtonElement).addEventListener('click', () => {
  search('');
  query.focus();
});
addEventListener('hashchange', follow);
addEventListener('keydown', keys);
if (settings.facets && innerWidth > 900) toggleFacets();
// The grid needs no more than the samples, and says how many there are when that is known.
if (route.view === 'grid' && !route.q) follow();
watchSet();
