// The bytes of a member of any size, sixteen a row, fetched as they come into view.

import { aborted, address, ask, sentence } from './api.js';
import { h } from './dom.js';
import { Rows } from './rows.js';

const CHUNK = 64 << 10;
const HEIGHT = 20; // pixels of a row
const KEPT = 16; // chunks

export class Hex {
  /**
   * @param {number} n sample
   * @param {number} m member
   * @param {number} size of the member
   * @param {number} [before] 1: before a mount's change
   */
  constructor(n, m, size, before) {
    this.n = n;
    this.m = m;
    this.size = size;
    this.before = before;
    this.across = 16;
    /** @type {Map<number, Uint8Array>} */
    this.chunks = new Map();
    /** @type {Map<number, AbortController>} */
    this.asked = new Map();
    this.fault = h('p', { class: 'fault', role: 'alert' });
    const to = h('input', { type: 'text', size: 12, inputmode: 'text', autocomplete: 'off', placeholder: '0x0' });
    const form = h('form', { class: 'hex-tools' }, h('label', {}, 'Go to byte ', to));
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const offset = Number(to.value.trim());
      if (Number.isFinite(offset)) this.rows.show(Math.floor(offset / this.across));
    });
    this.scroller = h('div', { class: 'scroller hex', tabindex: 0, role: 'region', 'aria-label': 'Bytes' });
    const layer = h('div', {});
    this.layer = layer;
    this.rows = new Rows(this.scroller, layer, (first, end) => this.#draw(first, end));
    this.watch = new ResizeObserver(() => this.#fit());
    this.watch.observe(this.scroller);
    this.element = h('div', { class: 'hex-view' }, form, this.fault, this.scroller);
    this.drawn = [0, 0];
  }

  /** Cancels requests. */
  close() {
    this.watch.disconnect();
    this.rows.close();
    for (const request of this.asked.values()) request.abort();
  }

  #fit() {
    const across = this.scroller.clientWidth < 620 ? 8 : 16;
    if (across === this.across && this.rows.count > 0) return;
    const at = this.rows.count > 0 ? (this.rows.top / HEIGHT) * this.across : 0;
    this.across = across;
    this.rows.reset(Math.ceil(this.size / across), HEIGHT, Math.floor(at / across));
  }

  /**
   * @param {number} first
   * @param {number} end
   */
  #draw(first, end) {
    this.drawn = [first, end];
    this.#want(Math.floor((first * this.across) / CHUNK), Math.floor((end * this.across - 1) / CHUNK));
    const lines = [];
    for (let row = first; row < end; row++) lines.push(this.#row(row * this.across));
    this.layer.replaceChildren(...lines);
  }

  /**
   * @param {number} first
   * @param {number} last
   */
  #want(first, last) {
    for (const [chunk, request] of this.asked) {
      if (chunk >= first && chunk <= last) continue;
      request.abort();
      this.asked.delete(chunk);
    }
    for (let chunk = first; chunk <= last; chunk++) {
      if (!this.chunks.has(chunk) && !this.asked.has(chunk)) this.#fetch(chunk);
    }
  }

  /** @param {number} chunk */
  async #fetch(chunk) {
    const request = new AbortController();
    this.asked.set(chunk, request);
    try {
      const url = address(`hex/${this.n}/${this.m}`, { from: chunk * CHUNK, before: this.before });
      const bytes = new Uint8Array(await (await ask(url, request.signal)).arrayBuffer());
      this.chunks.set(chunk, bytes);
      for (const oldest of this.chunks.keys()) {
        if (this.chunks.size <= KEPT) break;
        this.chunks.delete(oldest);
      }
      this.fault.textContent = '';
    } catch (error) {
      if (aborted(error)) return;
      this.chunks.set(chunk, new Uint8Array()); // not asked for again at once
      this.fault.textContent = sentence(error);
    }
    this.asked.delete(chunk);
    this.#draw(this.drawn[0] ?? 0, this.drawn[1] ?? 0);
  }

  /** @param {number} offset */
  #row(offset) {
    const chunk = this.chunks.get(Math.floor(offset / CHUNK));
    const start = offset % CHUNK;
    let numbers = '';
    let letters = '';
    for (let i = 0; i < this.across; i++) {
      const byte = chunk?.[start + i];
      if (i === 8) numbers += ' ';
      numbers += byte === undefined ? '   ' : `${byte.toString(16).padStart(2, '0')} `;
      if (byte !== undefined) letters += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·';
    }
    return h(
      'div',
      { class: 'hex-row' },
      h('span', { class: 'dim' }, offset.toString(16).padStart(8, '0')),
      h('span', {}, numbers),
      h('span', { class: 'letters' }, letters),
    );
  }
}
