// JSON as a tree that opens by and by, each number as it is written.

import { h } from './dom.js';
import { things } from './format.js';

const STEP = 100; // entries shown at once

/** A number that a computer would round: its own text. */
export class Exact {
  /** @param {string} text */
  constructor(text) {
    this.text = text;
  }
}

/**
 * Parses JSON, or throws a SyntaxError. Numbers that would be rounded stay as they are written, where the browser
 * tells.
 * @param {string} text
 * @returns {unknown}
 */
export function parse(text) {
  /**
   * @param {string} _
   * @param {unknown} value
   * @param {{ source?: string }} [context]
   */
  const keep = (_, value, context) => {
    const source = context?.source;
    return typeof value === 'number' && source !== undefined && rounded(value, source) ? new Exact(source) : value;
  };
  return JSON.parse(text, /** @type {(this: any, key: string, value: any) => any} */ (keep));
}

/**
 * @param {number} value
 * @param {string} source
 */
function rounded(value, source) {
  if (!Number.isFinite(value)) return true;
  const digits = source
    .replace(/^-/, '')
    .replace(/[eE].*$/, '')
    .replace('.', '')
    .replace(/^0+/, '')
    .replace(/0+$/, '');
  return digits.length > 17 || (digits.length > 15 && String(value) !== source);
}

/**
 * The tree of a value; its first levels are open as long as they are short.
 * @param {unknown} value what parse returns
 * @param {number} [levels] levels that are open
 */
export function tree(value, levels = 2) {
  return h('div', { class: 'tree' }, node(null, value, levels));
}

/**
 * @param {string | null} name
 * @param {unknown} value
 * @param {number} levels
 * @returns {HTMLElement}
 */
function node(name, value, levels) {
  const label = name === null ? null : h('span', { class: 'name' }, name, ':\u00a0');
  if (value === null || typeof value !== 'object' || value instanceof Exact) {
    return h('div', { class: 'leaf' }, label, leaf(value));
  }
  const entries = Array.isArray(value)
    ? value.map((item, i) => /** @type {[string, unknown]} */ ([String(i), item]))
    : Object.entries(value);
  const brackets = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  if (entries.length === 0) return h('div', { class: 'leaf' }, label, h('span', { class: 'dim' }, brackets.join('')));
  const what = Array.isArray(value) ? things(entries.length, 'item') : things(entries.length, 'field');
  const body = h('div', { class: 'branches' });
  const details = h(
    'details',
    {},
    h('summary', {}, label, h('span', { class: 'dim' }, `${brackets[0]} ${what} ${brackets[1]}`)),
    body,
  );
  const open = () => {
    if (!body.firstChild) more(body, entries, 0, levels - 1);
  };
  details.addEventListener('toggle', () => details.open && open());
  if (levels > 0 && entries.length <= 20) {
    open();
    details.open = true;
  }
  return details;
}

/**
 * @param {HTMLElement} body
 * @param {[string, unknown][]} entries
 * @param {number} from
 * @param {number} levels
 */
function more(body, entries, from, levels) {
  const end = Math.min(entries.length, from + STEP);
  for (const [name, value] of entries.slice(from, end)) body.append(node(name, value, levels));
  if (end === entries.length) return;
  const button = h(
    'button',
    {
      type: 'button',
      class: 'quiet',
      click: () => {
        button.remove();
        more(body, entries, end, levels);
      },
    },
    `${things(entries.length - end, 'more', 'more')}`,
  );
  body.append(button);
}

/** @param {unknown} value */
function leaf(value) {
  if (value instanceof Exact) return h('span', { class: 'number' }, value.text);
  if (typeof value === 'string') return h('span', { class: 'string' }, JSON.stringify(value));
  return h('span', { class: value === null ? 'null' : typeof value }, String(value));
}
