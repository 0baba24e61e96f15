// Statistics.
import { h } from './dom.js';

export class StatisticsView {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
  }

  /** Shows the numbers. */
  open() {
    this.host.replaceChildren(h('p', {}, 'later'));
  }

  /** Cancels requests. */
  close() {}
}
