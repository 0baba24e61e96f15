// The samples that the grid shows, fetched in chunks as they come into view: those in a row by one request, because a
// remote shard is then asked once for all of them.

import { aborted, json, sentence } from './api.js';

/** @typedef {import('./api.js').Sample} Sample */
/** @typedef {{ from: number, to: number, request: AbortController }} Run chunks that were asked for, before to */

const CHUNK = 16;
const KEPT = 400; // chunks
const MOST = 500; // samples of an answer

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
    /** @type {Set<Run>} */
    this.asked = new Set();
    /** @type {Set<number>} chunks that are fetched again, and shown until others have come */
    this.old = new Set();
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
    for (const run of this.asked) {
      if (run.from < to && run.to > from) continue;
      run.request.abort();
      this.asked.delete(run);
    }
    for (let chunk = from; chunk < to; chunk++) {
      const kept = this.chunks.get(chunk);
      if (kept) {
        this.chunks.delete(chunk); // and in again, as the last used one
        this.chunks.set(chunk, kept);
      }
      if (!this.#isNeeded(chunk)) continue;
      const start = chunk;
      const most = Math.min(to, start + Math.floor(MOST / CHUNK));
      while (chunk + 1 < most && this.#isNeeded(chunk + 1)) chunk++;
      this.#fetch({ from: start, to: chunk + 1, request: new AbortController() });
    }
  }

  /**
   * Reports whether a chunk is to be asked for.
   * @param {number} chunk
   */
  #isNeeded(chunk) {
    for (const run of this.asked) if (chunk >= run.from && chunk < run.to) return false;
    return !this.chunks.has(chunk) || this.old.has(chunk);
  }

  /** Forgets the samples, so that they are fetched again, but not their number. */
  forget() {
    this.close();
    this.chunks.clear();
  }

  /** Has the samples fetched again, since more of them may be known, and shows those that are here meanwhile. */
  renew() {
    this.close();
    this.old = new Set(this.chunks.keys());
  }

  /** Cancels all requests. */
  close() {
    for (const run of this.asked) run.request.abort();
    this.asked.clear();
  }

  /** @param {Run} run */
  async #fetch(run) {
    this.asked.add(run);
    try {
      const parameters = { from: run.from * CHUNK, count: (run.to - run.from) * CHUNK, filter: this.filter };
      /** @type {{ total: number, samples: Sample[] }} */
      const answer = await json('api/samples', parameters, run.request.signal);
      this.fault = '';
      for (let chunk = run.from; chunk < run.to; chunk++) {
        const start = (chunk - run.from) * CHUNK;
        const samples = answer.samples.slice(start, start + CHUNK);
        if (samples.length > 0) this.#keep(chunk, samples);
        // While a filter runs, a later chunk of fewer samples than CHUNK grows; it is asked for again.
        if (samples.length < CHUNK && (chunk + 1) * CHUNK <= answer.total) this.chunks.delete(chunk);
      }
      this.total = answer.total;
    } catch (error) {
      if (aborted(error)) return;
      this.fault = sentence(error);
    }
    this.asked.delete(run);
    this.changed();
  }

  /**
   * @param {number} chunk
   * @param {Sample[]} samples
   */
  #keep(chunk, samples) {
    this.old.delete(chunk);
    this.chunks.set(chunk, samples);
    for (const oldest of this.chunks.keys()) {
      if (this.chunks.size <= KEPT) break;
      this.chunks.delete(oldest);
    }
  }
}
