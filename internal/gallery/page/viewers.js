// One member, shown as what it is: text, a tree, numbers, sound, a film, or bytes. Pictures are in picture.js.

import { aborted, address, ask, json, sentence } from './api.js';
import { h } from './dom.js';
import { bytes, count, short } from './format.js';
import { Hex } from './hex.js';
import { PictureView } from './picture.js';
import { parse, tree } from './tree.js';

/** @typedef {import('./api.js').Whole} Whole */
/** @typedef {import('./api.js').Member} Member */
/** @typedef {import('./api.js').Numbers} Numbers */
/** @typedef {'picture' | 'video' | 'audio' | 'json' | 'array' | 'text' | 'hex'} Mode */
/** @typedef {{ element: HTMLElement, close: () => void }} View */

const PIECE = 256 << 10; // bytes of a text that the server sends at once
const LARGEST = 8 << 20; // bytes of JSON that become a tree

/** Words for the ways of looking at a member. */
export const modeNames = {
  picture: 'Picture',
  video: 'Video',
  audio: 'Audio',
  json: 'Tree',
  array: 'Numbers',
  text: 'Text',
  hex: 'Bytes',
};

/**
 * The ways in which a member can be looked at, the best first. What could run, such as HTML, is text.
 * @param {Member} member
 * @returns {Mode[]}
 */
export function modes(member) {
  switch (member.kind) {
    case 'picture':
      return ['picture', 'hex'];
    case 'video':
      return ['video', 'hex'];
    case 'audio':
      return ['audio', 'hex'];
    case 'array':
      return ['array', 'hex'];
    case 'json':
      return member.size <= LARGEST ? ['json', 'text', 'hex'] : ['text', 'hex'];
    case 'class':
    case 'text':
    case 'markup':
      return ['text', 'hex'];
    default:
      return ['hex', 'text'];
  }
}

/**
 * Shows a member of a sample, before and after a mount's change where it has changed.
 * @param {Whole} sample
 * @param {Member} member
 * @param {Mode} mode
 * @returns {View}
 */
export function view(sample, member, mode) {
  const change = member.change || (sample.change === 'changed' ? '' : sample.change);
  if (mode === 'picture') return new PictureView(sample, member, change || '');
  const one = change === 'deleted' ? [1] : change === 'changed' ? [1, undefined] : [undefined];
  const views = one.map((before) => single(sample, member, mode, before));
  const first = views[0];
  if (views.length === 1 && first) return first;
  const titles = ['Before', 'After'];
  return {
    element: h(
      'div',
      { class: 'both' },
      ...views.map(({ element }, i) =>
        h('section', { 'aria-label': titles[i] }, h('p', { class: 'pane-title' }, titles[i]), element),
      ),
    ),
    close: () => views.forEach((each) => each.close()),
  };
}

/**
 * @param {Whole} sample
 * @param {Member} member
 * @param {Mode} mode
 * @param {number | undefined} before
 * @returns {View}
 */
function single(sample, member, mode, before) {
  const raw = address(`raw/${sample.n}/${member.m}`, { before });
  switch (mode) {
    case 'video':
      return media(
        h('video', { controls: true, preload: 'metadata', playsinline: true, 'aria-label': member.name }),
        raw,
      );
    case 'audio':
      return media(h('audio', { controls: true, preload: 'metadata', 'aria-label': member.name }), raw);
    case 'json':
      return fetched((signal) => jsonTree(raw, signal));
    case 'array':
      return fetched((signal) => numbers(sample.n, member.m, before, signal));
    case 'text':
      return text(sample.n, member, before);
    default:
      return new Hex(sample.n, member.m, member.size, before);
  }
}

/**
 * @param {HTMLMediaElement} player
 * @param {string} url
 * @returns {View}
 */
function media(player, url) {
  const fault = h('p', { class: 'fault', role: 'alert' });
  player.addEventListener('error', () => {
    if (player.hasAttribute('src')) fault.textContent = 'This browser cannot play it; its bytes can be downloaded.';
  });
  player.src = url;
  return {
    element: h('div', { class: 'player' }, player, fault),
    close: () => {
      player.removeAttribute('src');
      player.load();
    },
  };
}

/**
 * What is made of an answer when that has come.
 * @param {(signal: AbortSignal) => Promise<HTMLElement>} make
 * @returns {View}
 */
function fetched(make) {
  const request = new AbortController();
  const element = h('div', { class: 'reading', tabindex: 0 }, h('p', { class: 'dim' }, 'Reading …'));
  make(request.signal).then(
    (child) => element.replaceChildren(child),
    (error) => {
      if (!aborted(error)) element.replaceChildren(h('p', { class: 'fault', role: 'alert' }, sentence(error)));
    },
  );
  return { element, close: () => request.abort() };
}

/**
 * @param {string} url
 * @param {AbortSignal} signal
 */
async function jsonTree(url, signal) {
  const source = await (await ask(url, signal)).text();
  try {
    return tree(parse(source));
  } catch (error) {
    return h(
      'div',
      {},
      h('p', { class: 'fault', role: 'alert' }, `This is not JSON: ${sentence(error)}`),
      h('pre', {}, source.slice(0, PIECE)),
    );
  }
}

/**
 * @param {number} n
 * @param {Member} member
 * @param {number | undefined} before
 * @returns {View}
 */
function text(n, member, before) {
  let from = 0;
  const pre = h('pre', {});
  const next = h('p', { class: 'more', hidden: true });
  /** @param {AbortSignal} signal */
  const read = async (signal) => {
    const answer = await ask(address(`text/${n}/${member.m}`, { from, before }), signal);
    pre.append(await answer.text());
    from += PIECE;
    next.hidden = from >= member.size;
    next.replaceChildren(
      `${bytes(Math.min(from, member.size))} of ${bytes(member.size)} `,
      h(
        'button',
        { type: 'button', click: () => read(signal).catch((error) => next.append(' ', sentence(error))) },
        'Read on',
      ),
    );
  };
  return fetched(async (signal) => {
    await read(signal);
    return h('div', { class: 'text' }, member.size === 0 && h('p', { class: 'dim' }, 'empty'), pre, next);
  });
}

/**
 * @param {number} n
 * @param {number} m
 * @param {number | undefined} before
 * @param {AbortSignal} signal
 */
async function numbers(n, m, before, signal) {
  /** @type {Numbers} */
  const array = await json(`array/${n}/${m}`, { before }, signal);
  const total = array.shape.reduce((product, length) => product * length, 1);
  const last = array.shape.at(-1) ?? 1;
  const columns = Math.min(array.shape.length > 1 ? last : 10, 16);
  const rows = [];
  const stride = array.shape.length > 1 ? last : columns;
  for (let i = 0; i < array.values.length && rows.length < 200; i += stride) {
    const values = array.values.slice(i, i + columns);
    rows.push(
      h(
        'tr',
        {},
        h('th', { scope: 'row' }, count(i)),
        ...values.map((x) => h('td', {}, short(x))),
        stride > columns && h('td', {}, '…'),
      ),
    );
  }
  return h(
    'div',
    { class: 'array' },
    h(
      'dl',
      {},
      ...[
        ['Type', array.dtype],
        ['Shape', array.shape.map((length) => count(length)).join(' × ') || 'one number'],
        ['Numbers', count(total)],
        ['Least', short(array.min)],
        ['Greatest', short(array.max)],
      ].map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
    ),
    h(
      'p',
      { class: 'dim', id: 'numbers' },
      `The first ${count(array.values.length)} numbers, each row with the place of its first:`,
    ),
    h('table', { 'aria-labelledby': 'numbers' }, h('tbody', {}, ...rows)),
  );
}

/**
 * A short form of a member for the list of members; null for what has none.
 * @param {Whole} sample
 * @param {Member} member
 * @param {AbortSignal} signal
 */
export async function glimpse(sample, member, signal) {
  if (!['class', 'text', 'json', 'markup'].includes(member.kind) || member.size > 64 << 10 || member.size === 0)
    return null;
  const before = member.change === 'deleted' || sample.change === 'deleted' ? 1 : undefined;
  try {
    const source = await (await ask(address(`raw/${sample.n}/${member.m}`, { before }), signal)).text();
    if (member.kind === 'json') return tree(parse(source), 1);
    return h('p', { class: `glimpse ${member.kind}` }, source.slice(0, 600), source.length > 600 && ' …');
  } catch (error) {
    return aborted(error) ? null : h('p', { class: 'fault' }, sentence(error));
  }
}
