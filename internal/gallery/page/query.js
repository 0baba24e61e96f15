// The filter as it is typed: its words, and its run on the server.

import { json, pause } from './api.js';

/** @typedef {import('./api.js').Filter} Filter */

/**
 * Starts a filter and follows it until it is done.
 * @param {string} text
 * @param {(filter: Filter) => void} progress is called with each answer
 * @param {AbortSignal} signal
 */
export async function run(text, progress, signal) {
  for (let wait = 50; ; wait = Math.min(500, wait * 1.5)) {
    /** @type {Filter} */
    const filter = await json('api/filter', { q: text }, signal);
    progress(filter);
    if (filter.done >= 1) return;
    await pause(wait, signal);
  }
}

/**
 * The words of a filter, as far as spaces part them; spaces between quotes and in parentheses part nothing.
 * @param {string} text
 */
export function terms(text) {
  const list = [];
  let term = '';
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? '';
    if (quoted && c === '\\') {
      term += c + (text[++i] ?? '');
      continue;
    }
    if (c === '"') quoted = !quoted;
    if (!quoted && c === '(') depth++;
    if (!quoted && c === ')') depth--;
    if (c === ' ' && !quoted && depth <= 0) {
      if (term) list.push(term);
      term = '';
    } else term += c;
  }
  if (term) list.push(term);
  return list;
}

/**
 * Adds a term to a filter, or takes it out where it is one of its terms.
 * @param {string} text
 * @param {string} term
 */
export function toggle(text, term) {
  const list = terms(text);
  if (list.includes(term)) return list.filter((one) => one !== term).join(' ');
  // A filter with `or` is put in parentheses, because the new term is meant for all of it.
  const whole = list.includes('or') ? `(${text.trim()})` : text.trim();
  return whole ? `${whole} ${term}` : term;
}

/**
 * The term for a field's value; quoted unless it is a plain word.
 * @param {string} field
 * @param {string} value
 */
export function equals(field, value) {
  return `${field}==${/^[\p{L}\p{N}_./-]+$/u.test(value) ? value : JSON.stringify(value)}`;
}
