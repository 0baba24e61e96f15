// A stage shows one or two pictures that can be zoomed and moved, all by the same amount.

import { h, iconButton, say, svg } from './dom.js';

/** @typedef {import('./api.js').Box} Box */
/** @typedef {{ box: HTMLElement, sheet: HTMLElement, width: number, height: number }} Pane */

const MOST = 64; // pixels of the screen for one of a picture

export class Stage {
  /** @param {string} label what a screen reader calls it */
  constructor(label) {
    this.panes = h('div', {
      class: 'panes',
      tabindex: 0,
      role: 'group',
      'aria-label': label,
      'aria-keyshortcuts': '+ - 0 1',
      keydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
      wheel: (/** @type {WheelEvent} */ event) => this.#wheel(event),
      dblclick: (/** @type {MouseEvent} */ event) =>
        this.zoom(this.scale > this.#fit() * 1.01 ? this.#fit() : 1, event),
      pointerdown: (/** @type {PointerEvent} */ event) => this.#down(event),
      pointermove: (/** @type {PointerEvent} */ event) => this.#move(event),
      pointerup: (/** @type {PointerEvent} */ event) => this.pointers.delete(event.pointerId),
      pointercancel: (/** @type {PointerEvent} */ event) => this.pointers.delete(event.pointerId),
    });
    this.percent = h('output', { class: 'percent' });
    this.tools = h(
      'div',
      { class: 'zoom', role: 'group', 'aria-label': 'Zoom' },
      iconButton('minus', 'Smaller (−)', () => this.zoom(this.scale / 1.5)),
      this.percent,
      iconButton('plus', 'Larger (+)', () => this.zoom(this.scale * 1.5)),
      h('button', { type: 'button', class: 'quiet', title: 'Whole picture (0)', click: () => this.whole() }, 'Fit'),
      h(
        'button',
        { type: 'button', class: 'quiet', title: 'One pixel for one pixel (1)', click: () => this.zoom(1) },
        '1:1',
      ),
    );
    this.element = h('div', { class: 'stage' }, this.panes, this.tools);
    /** @type {Pane[]} */
    this.list = [];
    /** @type {Map<number, PointerEvent>} */
    this.pointers = new Map();
    this.scale = 1;
    this.x = 0; // where the middle of the view is in the first picture, in its pixels
    this.y = 0;
    this.fitted = true;
    this.watch = new ResizeObserver(() => (this.fitted ? this.whole() : this.#apply()));
    this.watch.observe(this.panes);
  }

  /** Ends watching its size. */
  close() {
    this.watch.disconnect();
  }

  /**
   * Adds a picture.
   * @param {string} title shown above it; none if empty
   * @param {number} width in pixels
   * @param {number} height in pixels
   * @param {Element[]} layers each as large as the picture, the lowest first
   */
  add(title, width, height, ...layers) {
    const sheet = h('div', { class: 'sheet' }, ...layers);
    sheet.style.width = `${width}px`;
    sheet.style.height = `${height}px`;
    const box = h('div', { class: 'pane' }, sheet, title && h('p', { class: 'pane-title' }, title));
    this.panes.append(box);
    this.list.push({ box, sheet, width, height });
    this.whole();
  }

  /** Shows whole pictures, small ones as they are. */
  whole() {
    const first = this.list[0];
    if (!first) return;
    this.fitted = true;
    this.scale = this.#fit();
    this.x = first.width / 2;
    this.y = first.height / 2;
    this.#apply();
  }

  #fit() {
    const scales = this.list.map(({ box, width, height }) =>
      Math.min(box.clientWidth / width, box.clientHeight / height),
    );
    const most = Math.max(...this.list.map(({ width, height }) => Math.max(width, height)));
    // Tiny pictures, such as those of 28 by 28 pixels, are shown larger than they are.
    return Math.max(0.001, Math.min(...scales, most < 200 ? 8 : 1));
  }

  /**
   * Zooms; the point under the pointer stays where it is, or the middle.
   * @param {number} scale pixels of the page for one of the picture
   * @param {MouseEvent} [event]
   */
  zoom(scale, event) {
    const fit = this.#fit();
    scale = Math.min(Math.max(scale, Math.min(fit, 0.05)), MOST);
    const box = this.#under(event)?.getBoundingClientRect();
    if (box && event) {
      const dx = event.clientX - box.left - box.width / 2;
      const dy = event.clientY - box.top - box.height / 2;
      this.x += dx / this.scale - dx / scale;
      this.y += dy / this.scale - dy / scale;
    }
    this.scale = scale;
    this.fitted = Math.abs(scale - fit) < 0.001;
    this.#apply();
    say(`${Math.round(100 * scale)} percent`);
  }

  /** @param {MouseEvent | undefined} event */
  #under(event) {
    return this.list.find(({ box }) => event && box.contains(/** @type {Node} */ (event.target)))?.box;
  }

  #apply() {
    const first = this.list[0];
    if (!first) return;
    this.x = Math.min(Math.max(this.x, 0), first.width);
    this.y = Math.min(Math.max(this.y, 0), first.height);
    for (const { box, sheet, width } of this.list) {
      // A picture of another size, after a change, shows the same part of it.
      const scale = this.scale * (first.width / width);
      const x = box.clientWidth / 2 - this.x * this.scale;
      const y = box.clientHeight / 2 - this.y * this.scale;
      sheet.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
      sheet.style.setProperty('--scale', String(scale));
      sheet.classList.toggle('pixels', scale * window.devicePixelRatio >= 3);
    }
    this.panes.classList.toggle('zoomed', !this.fitted);
    this.percent.value = `${Math.round(100 * this.scale)} %`;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = 80 / this.scale;
    /** @type {Record<string, () => void>} */
    const keys = {
      '+': () => this.zoom(this.scale * 1.5),
      '=': () => this.zoom(this.scale * 1.5),
      '-': () => this.zoom(this.scale / 1.5),
      0: () => this.whole(),
      1: () => this.zoom(1),
    };
    if (!this.fitted) {
      keys.ArrowLeft = () => this.#shift(-step, 0);
      keys.ArrowRight = () => this.#shift(step, 0);
      keys.ArrowUp = () => this.#shift(0, -step);
      keys.ArrowDown = () => this.#shift(0, step);
    }
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /**
   * @param {number} x
   * @param {number} y
   */
  #shift(x, y) {
    this.x += x;
    this.y += y;
    this.#apply();
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
    this.zoom(this.scale * Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002)), event);
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button !== 0) return;
    this.panes.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const other = [...this.pointers.values()].find((pointer) => pointer.pointerId !== event.pointerId);
    this.pointers.set(event.pointerId, event);
    if (other) {
      const was = Math.hypot(before.clientX - other.clientX, before.clientY - other.clientY);
      const is = Math.hypot(event.clientX - other.clientX, event.clientY - other.clientY);
      if (was > 0) this.zoom(this.scale * (is / was));
    } else if (this.scale > this.#fit()) {
      this.fitted = false;
      this.#shift((before.clientX - event.clientX) / this.scale, (before.clientY - event.clientY) / this.scale);
    }
  }
}

/**
 * Boxes over a picture; each has its label beside it and tells it to screen readers, too.
 * @param {Box[]} boxes
 * @param {number} width of the picture
 * @param {number} height
 */
export function boxLayer(boxes, width, height) {
  const names = boxes.map(([, , , , label]) => label ?? 'a box').join(', ');
  return svg(
    'svg',
    { class: 'boxes', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `Boxes: ${names}` },
    ...boxes.map(([x, y, w, hgt, label]) =>
      svg(
        'g',
        {},
        svg('rect', { class: 'halo', x, y, width: Math.max(0, w), height: Math.max(0, hgt) }),
        svg('rect', { x, y, width: Math.max(0, w), height: Math.max(0, hgt) }),
        label ? svg('text', { x, y, dx: '0.3em', dy: '1.1em' }, label) : null,
      ),
    ),
  );
}

/** Colours of the values of a mask, told apart by those who see fewer colours, too (Okabe and Ito). */
const palette = [
  [230, 159, 0],
  [86, 180, 233],
  [0, 158, 115],
  [240, 228, 66],
  [0, 114, 178],
  [213, 94, 0],
  [204, 121, 167],
];

/**
 * Draws a mask: what is black is clear. Greys are numbers of classes, and get colours; other masks keep theirs.
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} bitmap
 * @returns {Map<number, number>} of a mask of numbers: how many pixels have each; else empty
 */
export function drawMask(canvas, bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext('2d', { willReadFrequently: true });
  /** @type {Map<number, number>} */
  const counts = new Map();
  if (!context) return counts;
  context.drawImage(bitmap, 0, 0);
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  const data = image.data;
  let grey = true;
  for (let i = 0; i < data.length && grey; i += 4) grey = data[i] === data[i + 1] && data[i] === data[i + 2];
  for (let i = 0; i < data.length; i += 4) {
    const value = data[i] ?? 0;
    if (grey) counts.set(value, (counts.get(value) ?? 0) + 1);
    if (value === 0 && data[i + 1] === 0 && data[i + 2] === 0) data[i + 3] = 0;
    else if (grey) data.set(colour(value), i);
  }
  context.putImageData(image, 0, 0);
  return counts;
}

/**
 * The colour for a value of a mask.
 * @param {number} value
 */
export function colour(value) {
  return palette[(value - 1) % palette.length] ?? [230, 159, 0];
}
