// The line on top that says what is wrong: with a shard, or with the server.

import { byId } from './dom.js';
import { count, things } from './format.js';

/** @typedef {import('./api.js').ShardSet} ShardSet */

export class Notice {
  constructor() {
    this.line = byId('banner', HTMLParagraphElement);
    this.silent = false; // the server does not answer
    this.words = '';
    this.bad = false;
  }

  /**
   * Says what is known of the shards: those that failed, were replaced, or are still being indexed.
   * @param {ShardSet} set
   */
  shards(set) {
    const failed = set.shards.filter((shard) => shard.state === 'failed' || shard.state === 'replaced');
    const busy = set.shards.filter((shard) => shard.state === 'indexing' || shard.state === 'waiting').length;
    const words = failed.map((shard) => shard.error || `${shard.name}: ${shard.state}`);
    if (words.length > 4) words.splice(3, words.length, `${count(words.length - 3)} more shards failed`);
    if (failed.length > 0) words.push('reload the page to open what is there now');
    if (busy > 0) words.push(`${count(busy)} of ${things(set.shards.length, 'shard')} still being indexed`);
    this.words = words.join('; ');
    this.bad = failed.length > 0;
    this.#show();
  }

  /**
   * Says an error that is about everything.
   * @param {string} text
   */
  error(text) {
    this.words = text;
    this.bad = true;
    this.#show();
  }

  /**
   * Says whether the server answers, and reports whether it does so again.
   * @param {boolean} answered
   */
  contact(answered) {
    const again = answered && this.silent;
    if (answered !== this.silent) return false;
    this.silent = !answered;
    this.#show();
    return again;
  }

  #show() {
    const silent = 'The server does not answer: has shardfs view ended? What was read is still here.';
    const text = this.silent ? silent : this.words;
    // The same words are not said again.
    if (this.line.textContent !== text) this.line.textContent = text;
    this.line.hidden = text === '';
    this.line.classList.toggle('bad', this.silent || this.bad);
  }
}
