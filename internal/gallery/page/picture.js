// A member that is a picture, with masks and boxes of other members over it.

import { aborted, address, ask, Fault, sentence } from './api.js';
import { drawThumbnail } from './cell.js';
import { h } from './dom.js';
import { bytes, count, share } from './format.js';
import { boxLayer, colour, drawMask, Stage } from './stage.js';

/** @typedef {import('./api.js').Whole} Whole */
/** @typedef {import('./api.js').Member} Member */
/** @typedef {import('./api.js').Overlay} Overlay */

/** Formats that browsers show themselves; others are decoded by the server, at most SIDE pixels wide and high. */
const own = ['jpeg', 'png', 'gif', 'webp', 'avif', 'bmp'];
const SIDE = 2048;
const LARGEST = 64e6; // pixels that a browser is given to decode

export class PictureView {
  /**
   * @param {Whole} sample
   * @param {Member} member
   * @param {import('./api.js').Change} change
   */
  constructor(sample, member, change) {
    this.sample = sample;
    this.member = member;
    this.request = new AbortController();
    this.stage = new Stage(`${member.name}, a picture`);
    this.overlays = (sample.overlays ?? []).filter((overlay) => overlay.on === member.m);
    this.fault = h('p', { class: 'fault', role: 'alert' });
    this.controls = h('div', { class: 'overlays' });
    this.element = h('div', { class: 'picture' }, this.stage.element, this.controls, this.fault);
    const titles = change === 'changed' ? ['Before', 'After'] : [''];
    const befores = change === 'changed' ? [1, undefined] : change === 'deleted' ? [1] : [undefined];
    this.ready = this.#load(titles, befores);
  }

  /** Cancels requests. */
  close() {
    this.request.abort();
    this.stage.close();
  }

  /**
   * @param {string[]} titles
   * @param {(number | undefined)[]} befores
   */
  async #load(titles, befores) {
    try {
      const pictures = await Promise.all(befores.map((before) => this.#picture(before)));
      const layers = this.#layers(pictures.at(-1)?.width ?? 1, pictures.at(-1)?.height ?? 1);
      pictures.forEach((picture, i) => {
        const over = i === pictures.length - 1 ? layers : [];
        this.stage.add(titles[i] ?? '', picture.width, picture.height, picture.element, ...over);
      });
    } catch (error) {
      if (aborted(error) || this.request.signal.aborted) return;
      this.stage.element.remove();
      this.fault.replaceChildren(
        `${this.member.name}, ${bytes(this.member.size)}, `,
        error instanceof Fault && error.status === 413
          ? `is too large to show${this.#size()}.`
          : `cannot be shown: ${sentence(error).replace(`${this.member.name}: `, '')}.`,
      );
    }
  }

  #size() {
    const picture = this.member.picture;
    return picture ? `: ${count(picture.width)} × ${count(picture.height)} pixels` : '';
  }

  /**
   * @param {number | undefined} before
   * @returns {Promise<{ element: HTMLElement, width: number, height: number }>}
   */
  async #picture(before) {
    const info = this.member.picture;
    const path = `${this.sample.n}/${this.member.m}`;
    if (info && own.includes(info.format) && info.width * info.height <= LARGEST) {
      const image = h('img', { alt: this.member.name, draggable: 'false' });
      image.src = address(`raw/${path}`, { before });
      try {
        await image.decode();
        return { element: image, width: image.naturalWidth, height: image.naturalHeight };
      } catch {
        // The server may know more, or say why it cannot be shown.
      }
    }
    this.request.signal.throwIfAborted();
    const canvas = h('canvas', { role: 'img', 'aria-label': this.member.name });
    await drawThumbnail(canvas, address(`thumb/${path}`, { side: SIDE, before }), this.request.signal);
    const after = before === undefined ? info : undefined;
    return { element: canvas, width: after?.width ?? canvas.width, height: after?.height ?? canvas.height };
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  #layers(width, height) {
    return this.overlays.map((overlay) => {
      const ext = this.sample.members[overlay.member]?.ext ?? '';
      if (overlay.kind === 'boxes') {
        const layer = boxLayer(overlay.boxes ?? [], width, height);
        this.#control(`Boxes of ${ext}`, layer);
        return layer;
      }
      const canvas = h('canvas', { class: 'mask', role: 'img', 'aria-label': `Mask ${ext}` });
      this.#mask(overlay, canvas, this.#control(`Mask ${ext}`, canvas, true));
      return canvas;
    });
  }

  /**
   * @param {string} name
   * @param {HTMLElement | SVGElement} layer
   * @param {boolean} [opacity] with a slider for how much of the picture is seen through it
   */
  #control(name, layer, opacity = false) {
    const box = h('input', { type: 'checkbox', checked: true });
    box.addEventListener('change', () => layer.classList.toggle('gone', !box.checked));
    const line = h('div', { class: 'overlay' }, h('label', {}, box, ' ', name));
    if (opacity) {
      const slider = h('input', {
        type: 'range',
        min: 0.1,
        max: 1,
        step: 0.05,
        value: 0.6,
        'aria-label': `Opacity of ${name}`,
      });
      slider.addEventListener('input', () => layer.style.setProperty('opacity', slider.value));
      line.append(slider);
    }
    this.controls.append(line);
    return line;
  }

  /**
   * @param {Overlay} overlay
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLElement} line gets the values that the mask has
   */
  async #mask(overlay, canvas, line) {
    try {
      const answer = await ask(`raw/${this.sample.n}/${overlay.member}`, this.request.signal);
      // Values are numbers, so nothing may be converted between spaces of colour.
      const bitmap = await createImageBitmap(await answer.blob(), {
        colorSpaceConversion: 'none',
        premultiplyAlpha: 'none',
      });
      const counts = drawMask(canvas, bitmap);
      const whole = bitmap.width * bitmap.height;
      if (counts.size < 2 || counts.size > 40) return;
      line.append(
        h(
          'ul',
          { class: 'values', 'aria-label': 'Values of the mask' },
          ...[...counts]
            .sort(([a], [b]) => a - b)
            .map(([value, pixels]) =>
              h('li', {}, swatch(value), `${value}`, h('span', { class: 'dim' }, ` ${share(pixels, whole)}`)),
            ),
        ),
      );
    } catch (error) {
      if (!aborted(error)) line.append(h('span', { class: 'fault' }, ' cannot be shown'));
    }
  }
}

/** @param {number} value */
function swatch(value) {
  if (value === 0) return null;
  const square = h('span', { class: 'swatch', 'aria-hidden': 'true' });
  square.style.backgroundColor = `rgb(${colour(value).join(' ')})`;
  return square;
}
