// A queue of work for what is in view: a few at a time, since a browser has six connections to a server and the list of
// samples needs one, in the order of their places, and none whose place has been scrolled past.

import { aborted } from './api.js';

/** @typedef {{ work: (signal: AbortSignal) => Promise<void>, request: AbortController }} Job */

export class Queue {
  /** @param {number} limit how many run at a time */
  constructor(limit) {
    this.limit = limit;
    this.running = 0;
    this.held = false;
    /** @type {Map<object, Job>} */
    this.waiting = new Map();
    /** @type {Map<object, Job>} */
    this.active = new Map();
  }

  /**
   * Does work for an owner when its turn comes. Faults are the work's own; it must obey its signal.
   * @param {object} owner
   * @param {(signal: AbortSignal) => Promise<void>} work
   */
  add(owner, work) {
    this.cancel(owner);
    this.waiting.set(owner, { work, request: new AbortController() });
    this.#start();
  }

  /**
   * Cancels an owner's work, whether it has begun or not.
   * @param {object} owner
   */
  cancel(owner) {
    this.waiting.delete(owner);
    this.active.get(owner)?.request.abort();
    this.active.delete(owner);
  }

  /**
   * Begins nothing more, or goes on.
   * @param {boolean} held
   */
  hold(held) {
    this.held = held;
    if (!held) this.#start();
  }

  #start() {
    for (const [owner, job] of this.waiting) {
      if (this.held || this.running >= this.limit) return;
      this.waiting.delete(owner);
      this.active.set(owner, job);
      this.running++;
      this.#run(owner, job);
    }
  }

  /**
   * @param {object} owner
   * @param {Job} job
   */
  async #run(owner, job) {
    try {
      await job.work(job.request.signal);
    } catch (error) {
      if (!aborted(error)) console.error(error);
    }
    this.running--;
    if (this.active.get(owner) === job) this.active.delete(owner);
    this.#start();
  }
}
