// The grid of samples: rows of cells, of which those in view exist.

import { discard, empty, fill } from './cell.js';
import { h, say } from './dom.js';
import { count } from './format.js';
import { Queue } from './queue.js';
import { Rows } from './rows.js';

/** @typedef {import('./api.js').Sample} Sample */
/** @typedef {import('./samples.js').Samples} Samples */
/** @typedef {{ element: HTMLElement, cells: HTMLElement[] }} Row */

const CAPTION = 46; // pixels below a picture
const GAP = 10;

export class Grid {
  /**
   * @param {HTMLElement} scroller
   * @param {(i: number, sample: Sample) => string} link the address of a sample's page
   * @param {(i: number) => void} moved is called with the first sample in view, after scrolling
   */
  constructor(scroller, link, moved) {
    this.scroller = scroller;
    this.link = link;
    this.moved = moved;
    this.side = 160;
    this.columns = 1;
    this.current = 0; // the sample that the Tab key reaches
    /** @type {Samples | null} */
    this.samples = null;
    /** @type {Map<number, Row>} */
    this.drawn = new Map();
    this.queue = new Queue(4);
    const layer = h('div', { role: 'grid', 'aria-label': 'Samples' });
    this.layer = layer;
    this.rows = new Rows(scroller, layer, (first, end, leap) => this.#draw(first, end, leap));
    /** @type {number | undefined} */
    this.timer = undefined;
    scroller.tabIndex = -1;
    scroller.addEventListener('keydown', (event) => this.#key(event));
    layer.addEventListener('focusin', (event) => this.#focused(event));
    new ResizeObserver(() => this.layOut()).observe(scroller);
  }

  /**
   * Shows other samples, beginning with one of them.
   * @param {Samples} samples
   * @param {number} at
   */
  show(samples, at) {
    this.samples?.close();
    this.samples = samples;
    this.current = at;
    this.wanted = at;
    this.clear();
    this.layOut();
  }

  /** Throws all cells away. */
  clear() {
    for (const row of this.drawn.values()) this.#remove(row);
    this.drawn.clear();
  }

  /**
   * Changes how wide a picture is at least.
   * @param {number} side
   */
  resize(side) {
    this.side = side;
    this.layOut();
  }

  /** The first sample in view. */
  get first() {
    return Math.round(this.rows.top / this.rows.height) * this.columns;
  }

  /** The number of rows. */
  get #height() {
    return Math.ceil((this.samples?.total ?? 0) / this.columns);
  }

  /**
   * Computes columns and rows again, after a change of size or of the number of samples.
   * @param {number} [at] the sample to begin with; the one that is first now if undefined
   */
  layOut(at = this.wanted ?? this.first) {
    const width = this.scroller.clientWidth - 2 * GAP;
    if (width <= 0 || !this.samples) return;
    const columns = Math.max(this.scroller.clientWidth < 420 ? 2 : 1, Math.floor((width + GAP) / (this.side + GAP)));
    const cell = (width - (columns - 1) * GAP) / columns;
    if (columns !== this.columns || Math.abs(cell - this.cell) > 0.5) this.clear();
    this.columns = columns;
    this.cell = cell;
    const height = Math.floor(cell) + CAPTION + GAP;
    if (this.samples.total > 0) this.wanted = undefined;
    else this.samples.want(at, at + columns * (Math.ceil(this.rows.view / height) + 1)); // tells how many there are
    this.layer.style.setProperty('--columns', String(columns));
    this.layer.style.setProperty('--row', `${Math.floor(cell) + CAPTION}px`);
    this.layer.setAttribute('aria-rowcount', String(this.#height));
    this.layer.setAttribute('aria-colcount', String(columns));
    this.rows.reset(this.#height, height, Math.floor(at / columns));
  }

  /** Draws again what has come, and follows the number of samples. */
  refresh() {
    if (!this.samples) return;
    if (this.#height !== this.rows.count) this.layOut();
    for (const [row, { cells }] of this.drawn) this.#fillRow(row, cells);
  }

  /**
   * Puts the focus on a sample, and scrolls to it if it is not in view.
   * @param {number} i
   */
  focus(i) {
    if (!this.samples || this.samples.total === 0) return;
    this.current = Math.min(Math.max(0, i), this.samples.total - 1);
    this.rows.reveal(Math.floor(this.current / this.columns));
    for (const [row, { cells }] of this.drawn) this.#tab(row, cells);
    const cell = this.drawn.get(Math.floor(this.current / this.columns))?.cells[this.current % this.columns];
    const open = cell?.querySelector('a');
    if (open) open.focus({ preventScroll: true });
    else cell?.focus({ preventScroll: true });
  }

  /**
   * @param {number} first
   * @param {number} end
   * @param {boolean} leap
   */
  #draw(first, end, leap) {
    if (!this.samples || this.rows.count === 0) return this.clear();
    for (const [number, row] of this.drawn) {
      if (number >= first && number < end) continue;
      this.#remove(row);
      this.drawn.delete(number);
    }
    const row = Math.floor(this.current / this.columns);
    if (row < first || row >= end) this.current = Math.min(this.first, this.samples.total - 1);
    if (leap) this.#hold();
    else if (!this.timer) this.samples.want(first * this.columns, Math.min(end * this.columns, this.samples.total));
    for (let number = first; number < end; number++) {
      if (!this.drawn.has(number)) this.#insert(number, first, end);
    }
    for (const [number, { cells }] of this.drawn) this.#tab(number, cells);
    this.moved(this.first);
  }

  /** Fetches nothing until the scrolling has come to rest: while it leaps, all would be cancelled at once. */
  #hold() {
    this.queue.hold(true);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.queue.hold(false);
      const drawn = [...this.drawn.keys()];
      if (drawn.length === 0) return;
      const end = (Math.max(...drawn) + 1) * this.columns;
      this.samples?.want(Math.min(...drawn) * this.columns, Math.min(end, this.samples.total));
    }, 60);
  }

  /**
   * @param {number} number
   * @param {number} first
   * @param {number} end
   */
  #insert(number, first, end) {
    const cells = [];
    const total = this.samples?.total ?? 0;
    for (let column = 0; column < this.columns && number * this.columns + column < total; column++) {
      cells.push(h('div', { role: 'gridcell', 'aria-colindex': column + 1, tabindex: -1 }));
    }
    const element = h('div', { role: 'row', class: 'row', 'aria-rowindex': number + 1 }, ...cells);
    let after = null; // rows stand in their order, for those who read without seeing
    for (let next = number + 1; next < end && !after; next++) after = this.drawn.get(next)?.element ?? null;
    this.layer.insertBefore(element, number < first ? this.layer.firstChild : after);
    this.drawn.set(number, { element, cells });
    this.#fillRow(number, cells);
  }

  /**
   * @param {number} row
   * @param {HTMLElement[]} cells
   */
  #fillRow(row, cells) {
    cells.forEach((cell, column) => {
      const i = row * this.columns + column;
      const sample = this.samples?.at(i);
      if (!sample) {
        if (!cell.classList.contains('waiting')) empty(cell, this.queue);
      } else if (cell.dataset.shown !== String(sample.n)) {
        cell.dataset.shown = String(sample.n);
        const focused = cell === document.activeElement;
        fill(cell, sample, this.link(i, sample), this.#pixels(), this.queue);
        if (focused) cell.querySelector('a')?.focus({ preventScroll: true });
      }
    });
    this.#tab(row, cells);
  }

  /** The side of a thumbnail in pixels of the screen, one of a few sizes, so that the server's cache serves again. */
  #pixels() {
    const wanted = this.cell * window.devicePixelRatio;
    return [96, 128, 192, 256, 384, 512].find((side) => side >= wanted * 0.9) ?? 768;
  }

  /**
   * Only the current sample is reached by the Tab key.
   * @param {number} row
   * @param {HTMLElement[]} cells
   */
  #tab(row, cells) {
    cells.forEach((cell, column) => {
      const current = row * this.columns + column === this.current;
      const open = cell.querySelector('a');
      if (open) open.tabIndex = current ? 0 : -1;
      cell.tabIndex = current && !open ? 0 : -1;
    });
  }

  /** @param {Row} row */
  #remove(row) {
    if (row.element.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
    for (const cell of row.cells) discard(cell, this.queue);
    row.element.remove();
  }

  /** @param {FocusEvent} event */
  #focused(event) {
    for (const [row, { cells }] of this.drawn) {
      const column = cells.findIndex((cell) => cell.contains(/** @type {Node} */ (event.target)));
      if (column >= 0) this.current = row * this.columns + column;
    }
    for (const [row, { cells }] of this.drawn) this.#tab(row, cells);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.altKey || event.metaKey || event.target instanceof HTMLMediaElement) return;
    const page = Math.max(1, Math.floor(this.rows.view / this.rows.height)) * this.columns;
    const last = (this.samples?.total ?? 1) - 1;
    const column = this.current % this.columns;
    /** @type {Record<string, number>} */
    const to = {
      ArrowLeft: this.current - 1,
      ArrowRight: this.current + 1,
      ArrowUp: this.current - this.columns,
      ArrowDown: this.current + this.columns,
      PageUp: this.current - page,
      PageDown: this.current + page,
      Home: event.ctrlKey ? 0 : this.current - column,
      End: event.ctrlKey ? last : this.current - column + this.columns - 1,
    };
    const next = to[event.key];
    if (next === undefined) return;
    event.preventDefault();
    if (event.key === 'ArrowUp' && next < 0) return;
    this.focus(next);
    if (event.ctrlKey) say(`Sample ${count(this.current + 1)}`);
  }

  /**
   * The sample to begin with when their number is known.
   * @type {number | undefined}
   */
  wanted;

  /** The width of a cell in pixels of the page. */
  cell = 0;
}
