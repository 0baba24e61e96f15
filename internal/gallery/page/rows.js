// Rows of one height, of which only those in view are elements.
//
// Browsers limit how tall an element is (Firefox to 17.9 million pixels, Chromium to 33.5 million, less when zoomed),
// and a million samples need more. So the element that is scrolled is at most TALLEST high. Within EDGE of either end a
// pixel of it is a pixel of the rows; in between it stands for several. Small steps, by wheel, key or finger, move the
// rows by just those pixels all the same, and only when the scrolling has ended is the scrollbar put where it belongs.

const TALLEST = 3e6;
const EDGE = 5e5;

/**
 * Where a scrollbar is for a place in rows.
 * @param {number} top pixels of rows above the view
 * @param {number} most greatest top
 * @param {number} range greatest position of the scrollbar, at most `most`
 */
export function toBar(top, most, range) {
  if (most === range || top <= EDGE) return top;
  if (top >= most - EDGE) return range - (most - top);
  return EDGE + ((top - EDGE) / (most - 2 * EDGE)) * (range - 2 * EDGE);
}

/**
 * The place in rows for a position of the scrollbar: the inverse of toBar.
 * @param {number} bar
 * @param {number} most
 * @param {number} range
 */
export function fromBar(bar, most, range) {
  if (most === range || bar <= EDGE) return bar;
  if (bar >= range - EDGE) return most - (range - bar);
  return EDGE + ((bar - EDGE) / (range - 2 * EDGE)) * (most - 2 * EDGE);
}

export class Rows {
  /**
   * Fills an element that scrolls. draw is called with the first row in view and the one after the last, some more rows
   * included; what it draws stands in layer, beginning with the first row.
   * @param {HTMLElement} scroller
   * @param {HTMLElement} layer
   * @param {(first: number, end: number, leap: boolean) => void} draw leap: the view has moved by more than its height
   */
  constructor(scroller, layer, draw) {
    this.scroller = scroller;
    this.layer = layer;
    this.draw = draw;
    this.count = 0;
    this.height = 1;
    this.top = 0; // pixels of rows above the view
    this.bar = 0; // the scrollbar's position when it was last looked at
    this.spacer = document.createElement('div');
    this.spacer.className = 'spacer';
    layer.classList.add('layer');
    scroller.append(this.spacer, layer);
    /** @type {number | undefined} */
    this.timer = undefined;
    scroller.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    this.watch = new ResizeObserver(() => this.#resized());
    this.watch.observe(scroller);
  }

  /** The height of the view; a style that lets it grow with its rows does not make all of them elements. */
  get view() {
    return Math.min(this.scroller.clientHeight, 20000);
  }

  get #most() {
    return Math.max(0, this.count * this.height - this.view);
  }

  get #range() {
    return Math.max(0, Math.min(this.count * this.height, TALLEST) - this.view);
  }

  /**
   * Changes how many rows there are and how high one is, and shows a row at the top of the view.
   * @param {number} count
   * @param {number} height in pixels
   * @param {number} row may have a fraction
   */
  reset(count, height, row) {
    this.count = count;
    this.height = height;
    this.spacer.style.height = `${Math.min(count * height, TALLEST)}px`;
    this.#go(row * height);
  }

  /**
   * Scrolls as little as needed to have a whole row in view.
   * @param {number} row
   */
  reveal(row) {
    const from = row * this.height;
    const to = from + this.height - this.view;
    if (this.top > from) this.#go(from);
    else if (this.top < to) this.#go(to);
  }

  /**
   * Shows a row at the top.
   * @param {number} row
   */
  show(row) {
    this.#go(row * this.height);
  }

  /** Ends watching the scroller's size. */
  close() {
    clearTimeout(this.timer);
    this.watch.disconnect();
  }

  /** @param {number} top */
  #go(top) {
    const leap = Math.abs(top - this.top) > this.view;
    this.top = Math.min(Math.max(0, top), this.#most);
    this.#settle();
    this.#place(leap);
  }

  /** Puts the scrollbar where it belongs. */
  #settle() {
    this.scroller.scrollTop = toBar(this.top, this.#most, this.#range);
    this.bar = this.scroller.scrollTop;
  }

  #scrolled() {
    const bar = this.scroller.scrollTop;
    const step = bar - this.bar;
    if (step === 0) return;
    const before = this.top;
    this.bar = bar;
    const most = this.#most;
    const range = this.#range;
    const small = Math.min(10 * this.view, range / this.view / 2);
    this.top = most === range || Math.abs(step) > small ? fromBar(bar, most, range) : this.top + step;
    this.top = Math.min(Math.max(0, this.top), most);
    this.#place(Math.abs(this.top - before) > this.view);
    clearTimeout(this.timer);
    if (most !== range) {
      this.timer = setTimeout(() => {
        this.#settle();
        this.#place(false);
      }, 150);
    }
  }

  #resized() {
    this.top = Math.min(this.top, this.#most);
    this.#settle();
    this.#place(false);
  }

  /** @param {boolean} leap */
  #place(leap) {
    const first = Math.max(0, Math.floor(this.top / this.height) - 1);
    const end = Math.min(this.count, Math.ceil((this.top + this.view) / this.height) + 1);
    this.layer.style.transform = `translateY(${first * this.height - this.top + this.bar}px)`;
    this.draw(first, end, leap);
  }
}
