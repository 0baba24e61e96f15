// Facets: how many of the samples found have an extension or a field's value. A click adds the term to the filter.

import { aborted, json, pause, sentence } from './api.js';
import { h } from './dom.js';
import { count } from './format.js';
import { equals, terms } from './query.js';

/** @typedef {import('./api.js').Facets} Counts */

const SHOWN = 12; // values of a field, before the rest is asked for

export class Facets {
  /**
   * @param {HTMLElement} host
   * @param {(term: string) => void} toggle is called with the term of a facet that was clicked
   */
  constructor(host, toggle) {
    this.host = host;
    this.toggle = toggle;
    /** @type {AbortController | null} */
    this.request = null;
    /** @type {Set<string>} */
    this.whole = new Set();
    /** @type {Counts | null} */
    this.counts = null;
    this.text = '';
    this.changes = false;
  }

  /**
   * Fetches the counts for a filter, unless the panel is closed.
   * @param {string | undefined} filter its number
   * @param {string} text its words
   */
  async show(filter, text) {
    this.request?.abort();
    this.text = text;
    if (this.host.hidden) return;
    const request = new AbortController();
    this.request = request;
    if (!this.counts) this.host.replaceChildren(h('p', { class: 'dim' }, 'Counting …'));
    try {
      for (let wait = 100; ; wait = Math.min(1000, wait * 1.5)) {
        this.counts = await json('api/facets', { filter }, request.signal);
        this.#draw();
        if (!this.counts || Number(this.counts.done) >= 1) return;
        await pause(wait, request.signal);
      }
    } catch (error) {
      if (!aborted(error)) this.host.replaceChildren(h('p', { class: 'fault' }, sentence(error)));
    }
  }

  #draw() {
    const counts = this.counts;
    if (!counts) return;
    const focus = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.term : undefined;
    const changes = ['added', 'changed', 'deleted', 'renamed'].map((label) => ({
      term: `change:${label}`,
      label,
      n: undefined,
    }));
    this.host.replaceChildren(
      (Number(counts.done) < 1 &&
        h('p', { class: 'dim' }, `Counting … ${Math.floor(100 * Number(counts.done))} %`)) ||
        '',
      this.changes ? this.#group('Changes of the mount', changes) : '',
      this.#group(
        'Shard',
        Object.entries(counts.shards ?? {})
          .sort(([a], [b]) => a.localeCompare(b, undefined, { numeric: true }))
          .map(([shard, n]) => ({ term: equals('shard', shard), label: shard, n })),
      ),
      this.#group(
        'Extension',
        sorted(counts.extensions).map(([ext, n]) => ({ term: `has:${word(ext)}`, label: ext, n })),
      ),
      this.#group(
        'Missing',
        sorted(counts.missing)
          .reverse()
          .map(([ext, n]) => ({ term: `no:${word(ext)}`, label: ext, n })),
      ),
      ...Object.entries(counts.fields).map(([field, values]) =>
        this.#group(
          field,
          // What differs in each sample, such as a number or a text, groups nothing.
          sorted(values)
            .map(([value, n]) => ({ term: equals(field, value), label: value, n }))
            .filter(({ n }, _, all) => n > 1 || all.length <= SHOWN),
        ),
      ),
    );
    if (focus === undefined) return;
    for (const button of this.host.querySelectorAll('button')) if (button.dataset.term === focus) button.focus();
  }

  /**
   * @param {string} title
   * @param {{ term: string, label: string, n: number | undefined }[]} list
   */
  #group(title, list) {
    if (list.length === 0) return '';
    const pressed = new Set(terms(this.text));
    const most = Math.max(...list.map((facet) => facet.n ?? 0), 1);
    const shown = this.whole.has(title) ? list : list.filter((facet, i) => i < SHOWN || pressed.has(facet.term));
    return h(
      'section',
      { class: 'facet', 'aria-label': title },
      h('h2', {}, title),
      h(
        'ul',
        {},
        ...shown.map(({ term, label, n }) => {
          const bar = h('span', { class: 'bar-of-facet' });
          bar.style.setProperty('--share', String((n ?? 0) / most));
          return h(
            'li',
            {},
            h(
              'button',
              {
                type: 'button',
                'aria-pressed': String(pressed.has(term)),
                title: term,
                'data-term': term,
                click: () => this.toggle(term),
              },
              h('span', { class: 'label' }, h('bdi', {}, label || '(empty)')),
              n !== undefined && h('span', { class: 'n' }, count(n)),
              bar,
            ),
          );
        }),
      ),
      list.length > shown.length &&
        h(
          'button',
          {
            type: 'button',
            class: 'quiet',
            click: () => {
              this.whole.add(title);
              this.#draw();
            },
          },
          `${count(list.length - shown.length)} more`,
        ),
    );
  }
}

/**
 * Counts, the greatest first, numbers as values in their order where counts agree.
 * @param {Record<string, number>} counts
 */
function sorted(counts) {
  return Object.entries(counts).sort(([a, n], [b, m]) => m - n || a.localeCompare(b, undefined, { numeric: true }));
}

/**
 * An extension as a word of a filter.
 * @param {string} ext
 */
function word(ext) {
  return /^[\p{L}\p{N}_.-]+$/u.test(ext) ? ext : JSON.stringify(ext);
}
