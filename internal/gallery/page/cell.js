// A cell of the grid: what of a sample can be seen at a glance.

import { address, ask, Fault } from './api.js';
import { h, icon } from './dom.js';
import { bytes } from './format.js';

/** @typedef {import('./api.js').Sample} Sample */
/** @typedef {import('./api.js').Brief} Brief */
/** @typedef {import('./queue.js').Queue} Queue */

/** Signs and words of changes; the sign is not told to screen readers. */
export const changes = {
  added: ['+', 'added'],
  changed: ['~', 'changed'],
  deleted: ['−', 'deleted'],
  renamed: ['→', 'renamed'],
};

/**
 * The mark of a change; null if there is none.
 * @param {import('./api.js').Change | undefined} change
 */
export function changeMark(change) {
  if (!change) return null;
  const [sign, word] = changes[change];
  return h('span', { class: `mark ${change}` }, h('span', { 'aria-hidden': 'true' }, sign), word);
}

/**
 * Draws a picture that the server scales into a canvas, or throws a Fault.
 * @param {HTMLCanvasElement} canvas
 * @param {string} url
 * @param {AbortSignal} signal
 */
export async function drawThumbnail(canvas, url, signal) {
  const blob = await (await ask(url, signal)).blob();
  const bitmap = await createImageBitmap(blob);
  signal.throwIfAborted();
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext('bitmaprenderer')?.transferFromImageBitmap(bitmap);
}

/** Kinds in the order in which they stand for a sample. */
const order = ['picture', 'video', 'audio', 'array', 'text', 'json', 'markup', 'class', 'other'];

/**
 * The member that stands for a sample.
 * @param {Sample} sample
 * @returns {Brief | undefined}
 */
export function face(sample) {
  /** @param {Brief} member a mask such as seg.png stands behind the picture that it is about */
  const rank = (member) => order.indexOf(member.kind) * 2 + (member.ext.includes('.') ? 1 : 0);
  return sample.members.reduce(
    (best, member) => (!best || rank(member) < rank(best) ? member : best),
    /** @type {Brief | undefined} */ (undefined),
  );
}

/**
 * The words of a cell: short contents of members, or else their extensions.
 * @param {Sample} sample
 * @param {string} [without] an extension that is shown elsewhere
 */
function words(sample, without) {
  const cells = Object.entries(sample.cells ?? {}).filter(([ext]) => ext !== without);
  if (cells.length > 0) return cells.map(([, text]) => text.trim()).join(' · ');
  return sample.members.map((member) => member.ext || 'no extension').join(' ');
}

/**
 * What a screen reader says of a sample.
 * @param {Sample} sample
 */
function spoken(sample) {
  const cells = Object.entries(sample.cells ?? {}).map(([ext, text]) => `${ext} ${text.trim().slice(0, 80)}`);
  const parts = [sample.key, sample.change, ...cells, sample.members.map((member) => member.ext).join(', ')];
  return parts.filter(Boolean).join('; ');
}

/**
 * Fills a cell with a sample. What has to be fetched is put into the queue; the cell is the owner there.
 * @param {HTMLElement} cell
 * @param {Sample} sample
 * @param {string} link
 * @param {number} side of the picture, in pixels of the screen
 * @param {Queue} queue
 */
export function fill(cell, sample, link, side, queue) {
  const member = face(sample);
  const shot = h('div', { class: 'shot' });
  const inText = member && sample.cells?.[member.ext] !== undefined && member.kind !== 'picture';
  cell.className = `cell ${sample.change ?? ''}`;
  cell.replaceChildren(
    h('a', { class: 'open', href: link, 'aria-label': spoken(sample), tabindex: -1 }),
    shot,
    h(
      'div',
      { class: 'caption', 'aria-hidden': 'true' },
      h('div', { class: 'key', title: sample.key }, h('bdi', {}, sample.key)),
      h('div', { class: 'words' }, changeMark(sample.change), words(sample, inText ? member.ext : undefined)),
    ),
  );
  if (sample.error) shot.append(nothing('damaged', '', sample.error));
  else if (!member) shot.append(nothing('no members', ''));
  else if (member.kind === 'picture') picture(shot, cell, sample, member, side, queue);
  else if (member.kind === 'video') video(shot, cell, sample, member, queue);
  else if (member.kind === 'audio') shot.append(audio(sample, member));
  else if (inText) shot.append(h('p', { class: `excerpt ${member.kind}` }, sample.cells?.[member.ext]));
  else shot.append(nothing(member.ext, bytes(member.size)));
}

/**
 * What stands for something that is not shown: its type and size.
 * @param {string} type
 * @param {string} size
 * @param {string} [why]
 */
function nothing(type, size, why) {
  return h(
    'p',
    { class: 'nothing' },
    h('b', {}, type || 'no extension'),
    h('span', {}, size),
    why && h('span', {}, why),
  );
}

/**
 * @param {HTMLElement} shot
 * @param {HTMLElement} cell
 * @param {Sample} sample
 * @param {Brief} member
 * @param {number} side
 * @param {Queue} queue
 */
function picture(shot, cell, sample, member, side, queue) {
  queue.add(cell, async (signal) => {
    const canvas = h('canvas', { 'aria-hidden': 'true' });
    const before = sample.change === 'deleted' ? 1 : undefined;
    try {
      await drawThumbnail(canvas, address(`thumb/${sample.n}/${member.m}`, { side, before }), signal);
      shot.replaceChildren(canvas);
    } catch (error) {
      if (signal.aborted) return;
      const why = error instanceof Fault && error.status === 413 ? 'too large to show' : 'cannot be shown';
      shot.replaceChildren(
        nothing(member.ext, bytes(member.size), error instanceof Fault && error.status === 0 ? '' : why),
      );
    }
  });
}

/**
 * @param {HTMLElement} shot
 * @param {HTMLElement} cell
 * @param {Sample} sample
 * @param {Brief} member
 * @param {Queue} queue
 */
function video(shot, cell, sample, member, queue) {
  shot.append(nothing(member.ext, bytes(member.size)), h('span', { class: 'play' }, icon('play')));
  queue.add(
    cell,
    (signal) =>
      new Promise((resolve) => {
        const element = h('video', {
          muted: true,
          preload: 'metadata',
          playsinline: true,
          'aria-hidden': 'true',
          tabindex: -1,
        });
        element.muted = true;
        const stop = () => {
          element.removeAttribute('src');
          element.load();
          resolve();
        };
        element.addEventListener('loadeddata', () => {
          shot.firstElementChild?.replaceWith(element);
          resolve();
        });
        element.addEventListener('error', () => resolve());
        signal.addEventListener('abort', stop);
        element.src = address(`raw/${sample.n}/${member.m}`);
      }),
  );
}

/**
 * @param {Sample} sample
 * @param {Brief} member
 */
function audio(sample, member) {
  return h(
    'div',
    { class: 'sound' },
    h('b', {}, member.ext),
    h('audio', {
      controls: true,
      preload: 'none',
      src: `raw/${sample.n}/${member.m}`,
      'aria-label': `${sample.key}.${member.ext}`,
    }),
  );
}

/**
 * Empties a cell while its sample is not here, and cancels what it waits for.
 * @param {HTMLElement} cell
 * @param {Queue} queue
 */
export function empty(cell, queue) {
  queue.cancel(cell);
  stopVideo(cell);
  delete cell.dataset.shown;
  cell.className = 'cell waiting';
  cell.replaceChildren(h('div', { class: 'shot' }), h('div', { class: 'caption' }));
}

/**
 * Ends what a cell does before it is thrown away.
 * @param {HTMLElement} cell
 * @param {Queue} queue
 */
export function discard(cell, queue) {
  queue.cancel(cell);
  stopVideo(cell);
}

/** @param {HTMLElement} cell */
function stopVideo(cell) {
  for (const element of cell.querySelectorAll('video, audio')) {
    if (!(element instanceof HTMLMediaElement)) continue;
    element.removeAttribute('src');
    element.load();
  }
}
