// The samples that the grid shows, fetched in chunks as they come into view.

import { aborted, json, sentence } from './api.js';

/** @typedef {import('./api.js').Sample} Sample */

const CHUNK = 64;
const KEPT = 100; // chunks

export class Samples {
  /**
   * @param {string | undefined} filter the number of a filter; all samples if undefined
   * @param {number} total how many there are, as far as is known
   * @param {() => void} changed is called when samples have come, or their number has changed
   */
  constructor(filter, total, changed) {
    this.filter = filter;
    this.total = total;
    this.changed = changed;
    this.fault = '';
    /** @type {Map<number, Sample[]>} */
    this.chunks = new Map();
    /** @type {Map<number, AbortController>} */
    this.asked = new Map();
  }

  /**
   * The sample at a place of the list, or undefined while it is not here.
   * @param {number} i
   */
  at(i) {
    return this.chunks.get(Math.floor(i / CHUNK))?.[i % CHUNK];
  }

  /**
   * Asks for the samples from first to before end, and cancels requests for others.
   * @param {number} first
   * @param {number} end
   */
  want(first, end) {
    const from = Math.floor(Math.max(0, first) / CHUNK);
    const to = Math.ceil(end / CHUNK);
    for (const [chunk, request] of this.asked) {
      if (chunk >= from && chunk < to) continue;
      request.abort();
      this.asked.delete(chunk);
    }
    for (let chunk = from; chunk < to; chunk++) {
      const kept = this.chunks.get(chunk);
      if (kept) {
        this.chunks.delete(chunk); // and in again, as the last used one
        this.chunks.set(chunk, kept);
      } else if (!this.asked.has(chunk)) this.#fetch(chunk);
    }
  }

  /** Forgets the samples, so that they are fetched again, but not their number. */
  forget() {
    this.close();
    this.chunks.clear();
  }

  /** Cancels all requests. */
  close() {
    for (const request of this.asked.values()) request.abort();
    this.asked.clear();
  }

  /** @param {number} chunk */
  async #fetch(chunk) {
    const request = new AbortController();
    this.asked.set(chunk, request);
    try {
      const parameters = { from: chunk * CHUNK, count: CHUNK, filter: this.filter };
      /** @type {{ total: number, samples: Sample[] }} */
      const answer = await json('api/samples', parameters, request.signal);
      this.fault = '';
      if (answer.samples.length > 0) this.#keep(chunk, answer.samples);
      // While a filter runs, a later chunk of fewer samples than CHUNK grows; it is asked for again.
      if (answer.samples.length < CHUNK && (chunk + 1) * CHUNK <= answer.total) this.chunks.delete(chunk);
      this.total = answer.total;
    } catch (error) {
      if (aborted(error)) return;
      this.fault = sentence(error);
    }
    if (this.asked.get(chunk) === request) this.asked.delete(chunk);
    this.changed();
  }

  /**
   * @param {number} chunk
   * @param {Sample[]} samples
   */
  #keep(chunk, samples) {
    this.chunks.set(chunk, samples);
    for (const oldest of this.chunks.keys()) {
      if (this.chunks.size <= KEPT) break;
      this.chunks.delete(oldest);
    }
  }
}
