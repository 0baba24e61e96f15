// Plots: bars as rows of a table, and distributions as columns in SVG, whose numbers are also told in words.

import { h, svg } from './dom.js';
import { count, share, short } from './format.js';

/**
 * @typedef {{ count: number, sum: number, min: number, median: number, max: number,
 *   histogram: [from: number, n: number][] }} Distribution
 */
/** @typedef {{ label: string, n: number, link?: string | undefined, note?: string | undefined }} Bar */
/** @typedef {(n: number) => string} Format */

const WIDTH = 440;
const HEIGHT = 150;
const LEFT = 8;
const RIGHT = 8;
const TOP = 20;
const BOTTOM = 24;
const COLUMNS = 54;

/**
 * A table with a bar for each row.
 * @param {string} caption
 * @param {Bar[]} list
 * @param {number} [whole] what a full bar is; the greatest number if undefined
 * @param {Format} [format]
 */
export function bars(caption, list, whole = Math.max(1, ...list.map(({ n }) => n)), format = count) {
  return h(
    'table',
    { class: 'bars' },
    h('caption', {}, caption),
    h(
      'tbody',
      {},
      ...list.map(({ label, n, link, note }) =>
        h(
          'tr',
          {},
          h(
            'th',
            { scope: 'row', title: label },
            link ? h('a', { href: link }, h('bdi', {}, label || '(empty)')) : h('bdi', {}, label || '(empty)'),
          ),
          h(
            'td',
            { class: 'track' },
            svg(
              'svg',
              { viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
              svg('rect', { class: 'mark-of-plot', width: Math.max(n > 0 ? 0.5 : 0, (100 * n) / whole), height: 10 }),
            ),
          ),
          h('td', { class: 'n' }, format(n)),
          note !== undefined && h('td', { class: 'dim note' }, note),
        ),
      ),
    ),
  );
}

/** The width of a step of a distribution, which has 64 of them from a power of two to the next. @param {number} from */
function stepWidth(from) {
  return from < 128 ? 1 : 2 ** (Math.floor(Math.log2(from)) - 6);
}

/**
 * A scale from numbers to places from 0 to 1: logarithmic if the numbers span more than two orders.
 * @param {Distribution} d
 */
function scaleOf(d) {
  const logarithmic = d.min >= 0 && d.max > 60 * Math.max(d.min, 1);
  const last = d.max + stepWidth(d.max);
  if (!logarithmic) return { logarithmic, to: (/** @type {number} */ x) => (x - d.min) / (last - d.min) };
  const a = Math.log(d.min + 1);
  const b = Math.log(last + 1);
  return { logarithmic, to: (/** @type {number} */ x) => (Math.log(x + 1) - a) / (b - a) };
}

/**
 * Places on an axis that are worth a number: at most six round ones.
 * @param {Distribution} d
 * @param {boolean} logarithmic
 * @param {number} base 1024 for bytes, 10 for all else
 */
function ticks(d, logarithmic, base) {
  const list = [];
  if (logarithmic) {
    const factor = base === 1024 ? 4 : 10;
    for (let x = 1; x <= d.max; x *= factor) if (x >= d.min) list.push(x);
    while (list.length > 6) list.splice(0, list.length, ...list.filter((_, i) => i % 2 === 0));
    return list;
  }
  const span = Math.max(1, d.max - d.min);
  const unit =
    (base === 1024 && span > 4096 ? 2 : 10) **
    Math.floor(Math.log(span / 3) / Math.log(base === 1024 && span > 4096 ? 2 : 10));
  const step = Math.max(1, [1, 2, 5, 10].map((k) => k * unit).find((one) => span / one <= 5) ?? unit * 10);
  for (let x = Math.ceil(d.min / step) * step; x <= d.max && list.length < 8; x += step) list.push(x);
  return list;
}

/**
 * A distribution in words.
 * @param {Distribution} d
 * @param {Format} format
 */
function described(d, format) {
  if (d.count === 0) return 'none';
  if (d.min === d.max) return d.count === 1 ? `one of ${format(d.min)}` : `${count(d.count)}, each ${format(d.min)}`;
  return `${count(d.count)}: least ${format(d.min)}, median ${format(d.median)}, greatest ${format(d.max)}`;
}

/**
 * How a quantity is distributed.
 * @param {string} title
 * @param {Distribution} d
 * @param {Format} [format] of the quantity
 * @param {number} [base]
 */
export function histogram(title, d, format = short, base = 10) {
  const words = described(d, format);
  const caption = h('figcaption', {}, h('b', {}, title), h('span', { class: 'dim' }, words));
  if (d.count === 0 || d.min === d.max) return h('figure', {}, caption);
  const { logarithmic, to } = scaleOf(d);
  const columns = columnsOf(d, to);
  const most = Math.max(...columns);
  const across = WIDTH - LEFT - RIGHT;
  const up = HEIGHT - TOP - BOTTOM;
  const plot = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}, ${words}` });
  columns.forEach((n, i) => {
    if (n === 0) return;
    const high = Math.max(1.5, (n / most) * up);
    plot.append(
      svg(
        'rect',
        {
          class: 'mark-of-plot',
          x: LEFT + (i * across) / columns.length + 0.5,
          width: across / columns.length - 1,
          y: TOP + up - high,
          height: high,
        },
        svg('title', {}, `${count(Math.round(n))} (${share(n, d.count)})`),
      ),
    );
  });
  const x = (/** @type {number} */ value) => LEFT + Math.min(1, Math.max(0, to(value))) * across;
  plot.append(svg('line', { class: 'axis', x1: LEFT, x2: WIDTH - RIGHT, y1: TOP + up + 0.5, y2: TOP + up + 0.5 }));
  let free = -Infinity;
  for (const value of ticks(d, logarithmic, base)) {
    const at = x(value);
    if (at < free) continue;
    free = at + 58;
    plot.append(
      svg('line', { class: 'axis', x1: at, x2: at, y1: TOP + up, y2: TOP + up + 4 }),
      svg(
        'text',
        { x: at, y: HEIGHT - 7, 'text-anchor': at < 24 ? 'start' : at > WIDTH - 30 ? 'end' : 'middle' },
        format(value),
      ),
    );
  }
  const middle = x(d.median);
  plot.append(
    svg('line', { class: 'median', x1: middle, x2: middle, y1: TOP - 6, y2: TOP + up }),
    svg(
      'text',
      { x: middle, y: TOP - 9, 'text-anchor': middle < 50 ? 'start' : middle > WIDTH - 60 ? 'end' : 'middle' },
      `median ${format(d.median)}`,
    ),
  );
  return h('figure', {}, caption, plot);
}

/**
 * Counts for columns of equal width; few numbers that are close together get a column each.
 * @param {Distribution} d
 * @param {(x: number) => number} to
 */
function columnsOf(d, to) {
  const numbers = d.max - d.min + 1;
  const columns = new Array(Math.max(1, Math.min(COLUMNS, numbers))).fill(0);
  const last = columns.length - 1;
  for (const [from, n] of d.histogram) {
    const low = Math.max(d.min, from);
    const high = Math.max(low + 1, Math.min(d.max + 1, from + stepWidth(from)));
    const place = (/** @type {number} */ x) =>
      (numbers <= COLUMNS ? (x - d.min) / numbers : Math.max(0, to(x))) * columns.length;
    const begin = place(low);
    const end = Math.max(place(high), begin + 1e-9);
    // A step that reaches over several columns is spread over them.
    for (let i = Math.min(last, Math.floor(begin)); i <= last && i < end; i++) {
      const part = i === last ? end - Math.max(begin, i) : Math.min(end, i + 1) - Math.max(begin, i);
      columns[i] += (n * Math.max(0, part)) / (end - begin);
    }
  }
  return columns;
}

/**
 * Columns for a sequence, such as the samples of each of many shards; neighbours share a column where there are many.
 * @param {string} title
 * @param {number[]} values
 * @param {string} words
 */
export function sequence(title, values, words) {
  const across = WIDTH - LEFT - RIGHT;
  const up = HEIGHT - TOP - BOTTOM;
  const most = Math.max(1, ...values);
  const columns = Math.min(values.length, 200);
  const plot = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}, ${words}` });
  for (let i = 0; i < columns; i++) {
    const part = values.slice(
      Math.floor((i * values.length) / columns),
      Math.floor(((i + 1) * values.length) / columns),
    );
    const mean = part.reduce((sum, value) => sum + value, 0) / Math.max(1, part.length);
    const high = Math.max(mean > 0 ? 1 : 0, (mean / most) * up);
    plot.append(
      svg('rect', {
        class: 'mark-of-plot',
        x: LEFT + (i * across) / columns,
        width: Math.max(0.5, across / columns - (columns > 100 ? 0.4 : 1)),
        y: TOP + up - high,
        height: high,
      }),
    );
  }
  plot.append(
    svg('line', { class: 'axis', x1: LEFT, x2: WIDTH - RIGHT, y1: TOP + up + 0.5, y2: TOP + up + 0.5 }),
    svg('text', { x: LEFT, y: HEIGHT - 7 }, 'first'),
    svg('text', { x: WIDTH - RIGHT, y: HEIGHT - 7, 'text-anchor': 'end' }, 'last'),
    svg('text', { x: LEFT, y: TOP - 6 }, count(most)),
  );
  return h('figure', {}, h('figcaption', {}, h('b', {}, title), h('span', { class: 'dim' }, words)), plot);
}
