// Statistics: what the server has counted, as tables and plots.

import { aborted, json, pause, sentence } from './api.js';
import { h } from './dom.js';
import { bytes, count, share, short, things } from './format.js';
import { bars, histogram, sequence } from './plots.js';
import { equals } from './query.js';
import { format } from './route.js';

/** @typedef {import('./plots.js').Distribution} Distribution */
/** @typedef {string | { hex: string }} Text what is not UTF-8 comes as its bytes in hexadecimal */
/** @typedef {{ ext: Text, kind: string, samples: number, count: number, bytes: Distribution }} Extension */
/** @typedef {{ value: Text, count: number }} Value */
/** @typedef {{ field: Text, samples: number, values: Value[] | null, others: number }} Field */
/**
 * @typedef {{ count: number, formats: Record<string, number>, damaged: number, unknown: number, too_far: number,
 *   width: Distribution, height: Distribution, aspect: Distribution }} Pictures
 */
/** @typedef {{ ext: Text, not_utf8: number, characters: Distribution }} Texts */
/** @typedef {{ field: Text, count: number, types: Record<string, number> }} DocumentField */
/**
 * @typedef {{ ext: Text, count: number, invalid: number, too_large: number, fields: DocumentField[] | null }} Document
 */
/** @typedef {{ code: string, severity: string, count: number, example: Text }} Finding */
/**
 * @typedef {{ shards: { shard: Text, samples: number, members: number, bytes: number }[] | null, samples: number,
 *   members: number, bytes: number, outside: number, keys: { first: Text, last: Text, length: Distribution },
 *   sample_bytes: Distribution, sample_members: Distribution, extensions: Extension[] | null, fields?: Field[],
 *   pictures?: Pictures, texts?: Texts[], documents?: Document[], findings?: Finding[] }} Survey
 */
/** @typedef {{ done: number | boolean, survey?: Survey | null, error?: string }} Answer */

const SHOWN = 25; // rows of a table before the rest is asked for

/** @param {Text} text */
function plain(text) {
  return typeof text === 'string' ? text : `bytes ${text.hex}`;
}

export class StatisticsView {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    this.progress = h('div', { class: 'progress' });
    this.fault = h('p', { class: 'fault', role: 'alert' });
    this.body = h('div', { class: 'sheets' });
    this.heading = h('h2', { tabindex: -1 }, 'Statistics');
    host.append(h('div', { class: 'statistics' }, this.heading, this.progress, this.fault, this.body));
    host.tabIndex = 0;
    /** @type {AbortController | null} */
    this.request = null;
    this.done = false;
  }

  /** Shows the numbers, and follows them until all is counted. */
  async open() {
    if (this.request || this.done) return;
    const request = new AbortController();
    this.request = request;
    try {
      for (let wait = 250; !this.done; wait = Math.min(2000, wait * 1.3)) {
        /** @type {Answer} */
        const answer = await json('api/statistics', {}, request.signal);
        this.done = Number(answer.done) >= 1;
        this.#drawProgress(Number(answer.done));
        this.fault.textContent = answer.error ?? '';
        if (answer.survey) this.#draw(answer.survey);
        if (!this.done) await pause(wait, request.signal);
      }
    } catch (error) {
      if (!aborted(error)) this.progress.replaceChildren(h('p', { class: 'fault', role: 'alert' }, sentence(error)));
    }
    if (this.request === request) this.request = null;
  }

  /** Asks no more; the server stops counting when nobody asks. */
  close() {
    this.request?.abort();
    this.request = null;
  }

  /** @param {number} done */
  #drawProgress(done) {
    if (done >= 1) return this.progress.replaceChildren();
    const stop = h(
      'button',
      {
        type: 'button',
        click: () => {
          this.close();
          this.progress.replaceChildren(
            h(
              'p',
              { class: 'dim' },
              `Stopped after ${share(done, 1)}. `,
              h('button', { type: 'button', click: () => this.open() }, 'Go on'),
            ),
          );
        },
      },
      'Stop',
    );
    this.progress.replaceChildren(
      h('progress', { value: done, max: 1, 'aria-label': 'Counted so far' }),
      h('span', {}, `${Math.floor(100 * done)} % counted`),
      stop,
    );
  }

  /** @param {Survey} survey */
  #draw(survey) {
    this.body.replaceChildren(
      ...[
        this.#summary(survey),
        findings(survey.findings),
        extensions(survey),
        sizes(survey),
        shards(survey),
        ...(survey.fields ?? []).map((field) => fieldValues(field)),
        pictures(survey.pictures),
        texts(survey.texts),
        ...(survey.documents ?? []).map(documentFields),
      ].filter((part) => part !== null),
    );
  }

  /** @param {Survey} survey */
  #summary(survey) {
    const facts = [
      ['Samples', count(survey.samples)],
      ['Members', count(survey.members)],
      ['Content', bytes(survey.bytes)],
      ['Entries outside samples', count(survey.outside)],
      ['First key', plain(survey.keys.first)],
      ['Last key', plain(survey.keys.last)],
    ];
    return h(
      'dl',
      { class: 'summary' },
      ...facts.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, h('bdi', {}, value)))),
    );
  }
}

/**
 * @param {string} title
 * @param {(Node | null)[]} parts
 */
function section(title, ...parts) {
  return h('section', { class: 'sheet-of-plots' }, h('h3', {}, title), h('div', { class: 'plots' }, ...parts));
}

/** @param {Finding[] | undefined} list */
function findings(list) {
  if (!list) return null;
  if (list.length === 0) return section('Findings of check', h('p', { class: 'dim' }, 'None.'));
  return section(
    'Findings of check',
    h(
      'table',
      { class: 'wide findings' },
      h(
        'thead',
        {},
        h('tr', {}, ...['Severity', 'Finding', 'Times', 'Example'].map((name) => h('th', { scope: 'col' }, name))),
      ),
      h(
        'tbody',
        {},
        ...list.map((finding) =>
          h(
            'tr',
            {},
            h('td', {}, h('b', { class: `severity ${finding.severity}` }, finding.severity)),
            h('td', {}, h('code', {}, finding.code)),
            h('td', { class: 'n' }, count(finding.count)),
            h('td', {}, h('bdi', {}, plain(finding.example))),
          ),
        ),
      ),
    ),
  );
}

/** @param {Survey} survey */
function extensions(survey) {
  const list = survey.extensions ?? [];
  const names = ['Extension', 'Samples', 'Share', 'Bytes', 'Least', 'Median', 'Greatest'];
  return section(
    'Extensions',
    h(
      'div',
      { class: 'across', tabindex: 0, role: 'region', 'aria-label': 'Extensions' },
      h(
        'table',
        { class: 'wide' },
        h('thead', {}, h('tr', {}, ...names.map((name, i) => h('th', { scope: 'col', class: i > 0 && 'n' }, name)))),
        h(
          'tbody',
          {},
          ...list
            .slice(0, 200)
            .map((ext) =>
              h(
                'tr',
                {},
                h(
                  'th',
                  { scope: 'row' },
                  h(
                    'a',
                    { href: format({ view: 'grid', q: `has:${plain(ext.ext)}` }) },
                    h('bdi', {}, plain(ext.ext) || '(none)'),
                  ),
                ),
                ...[
                  count(ext.samples),
                  share(ext.samples, survey.samples),
                  bytes(ext.bytes.sum),
                  bytes(ext.bytes.min),
                  bytes(ext.bytes.median),
                  bytes(ext.bytes.max),
                ].map((text) => h('td', { class: 'n' }, text)),
              ),
            ),
        ),
      ),
    ),
  );
}

/** @param {Survey} survey */
function sizes(survey) {
  const list = (survey.extensions ?? [])
    .filter((ext) => ext.bytes.count > 0)
    .sort((a, b) => b.samples - a.samples)
    .slice(0, 8);
  return section(
    'Sizes',
    histogram('Samples', survey.sample_bytes, bytes, 1024),
    ...list.map((ext) => histogram(plain(ext.ext) || 'no extension', ext.bytes, bytes, 1024)),
    histogram('Members of a sample', survey.sample_members),
  );
}

/** @param {Survey} survey */
function shards(survey) {
  const list = survey.shards ?? [];
  if (list.length < 2) return null;
  const values = list.map((shard) => shard.samples);
  if (list.length > 40) {
    const range = `${count(Math.min(...values))} to ${count(Math.max(...values))}`;
    return section(
      'Shards',
      sequence('Samples of each shard', values, `${things(list.length, 'shard')}, ${range} samples each`),
    );
  }
  return section(
    'Shards',
    bars(
      'Samples of each shard',
      list.map((shard) => ({ label: plain(shard.shard), n: shard.samples, note: bytes(shard.bytes) })),
    ),
  );
}

/** @param {Field} field */
function fieldValues(field) {
  const name = plain(field.field);
  const list = (field.values ?? []).map(({ value, count: n }) => ({
    label: plain(value),
    n,
    link: typeof value === 'string' ? format({ view: 'grid', q: equals(name, value) }) : undefined,
  }));
  const others = field.others ? `, ${count(field.others)} more values were not kept` : '';
  const words = `${things(list.length, 'value')} in ${things(field.samples, 'sample')}${others}`;
  return section(
    `Values of ${name}`,
    long(list, (part) => bars(words, part, Math.max(1, ...list.map(({ n }) => n)))),
  );
}

/**
 * The first rows of a long list, and a button for all.
 * @template T
 * @param {T[]} list
 * @param {(part: T[]) => HTMLElement} draw
 */
function long(list, draw) {
  const host = h('div', { class: 'long' }, draw(list.slice(0, SHOWN)));
  if (list.length > SHOWN) {
    host.append(
      h(
        'button',
        { type: 'button', class: 'quiet', click: () => host.replaceChildren(draw(list.slice(0, 1000))) },
        `${count(Math.min(1000, list.length) - SHOWN)} more`,
      ),
    );
  }
  return host;
}

/** @param {Pictures | null | undefined} all */
function pictures(all) {
  if (!all || all.count + all.damaged + all.unknown + all.too_far === 0) return null;
  const formats = Object.entries(all.formats).map(([label, n]) => ({ label, n }));
  for (const [label, n] of /** @type {[string, number][]} */ ([
    ['damaged', all.damaged],
    ['format not known', all.unknown],
    ['size not found', all.too_far],
  ])) {
    if (n > 0) formats.push({ label, n });
  }
  const ratio = (/** @type {number} */ n) => short(n / 1000);
  return section(
    'Pictures',
    bars('Formats', formats),
    histogram('Width in pixels', all.width),
    histogram('Height in pixels', all.height),
    histogram('Width divided by height', all.aspect, ratio),
  );
}

/** @param {Texts[] | undefined} list */
function texts(list) {
  if (!list || list.length === 0) return null;
  return section(
    'Lengths of texts',
    ...list.map((text) =>
      h(
        'div',
        {},
        histogram(`${plain(text.ext)}, characters`, text.characters),
        text.not_utf8 > 0 && h('p', { class: 'fault' }, `${things(text.not_utf8, 'text')} not in UTF-8`),
      ),
    ),
  );
}

/** @param {Document} all */
function documentFields(all) {
  const list = (all.fields ?? []).map((field) => ({
    label: plain(field.field),
    n: field.count,
    note: Object.entries(field.types)
      .sort(([, a], [, b]) => b - a)
      .map(([type]) => type)
      .join(', '),
  }));
  const odd = [
    all.invalid > 0 && `${count(all.invalid)} not JSON`,
    all.too_large > 0 && `${count(all.too_large)} too large to read`,
  ];
  const words = [`Fields of ${things(all.count, 'document')}`, ...odd].filter(Boolean).join(', ');
  return section(
    `Fields of ${plain(all.ext)}`,
    long(list, (part) => bars(words, part, Math.max(1, all.count))),
  );
}
