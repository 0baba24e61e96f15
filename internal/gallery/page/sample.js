// The page of a sample: one member large, all members beside it.

import { aborted, address, json, sentence } from './api.js';
import { changeMark } from './cell.js';
import { copyButton, h, icon, iconButton } from './dom.js';
import { bytes, count, things, when } from './format.js';
import { glimpse, modeNames, modes, view } from './viewers.js';

/** @typedef {import('./api.js').Whole} Whole */
/** @typedef {import('./api.js').Member} Member */
/** @typedef {import('./viewers.js').View} View */
/**
 * @typedef {{ n: number, m: string, place: string, back: string, step: (by: number) => void,
 *   choose: (m: string) => void }} Opening
 */

export class SampleView {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    this.request = new AbortController();
    /** @type {View | null} */
    this.view = null;
    /** @type {Whole | null} */
    this.sample = null;
    /** @type {Opening | null} */
    this.opening = null;
    this.heading = h('h2', { tabindex: -1, class: 'sample-key' });
    this.stage = h('div', { class: 'sample-stage' });
    this.modes = h('div', { class: 'modes', role: 'group', 'aria-label': 'Show as' });
    this.list = h('ul', { class: 'members', 'aria-label': 'Members' });
    this.facts = h('div', { class: 'facts' });
    this.bar = h('div', { class: 'sample-bar' });
    host.append(
      this.bar,
      h(
        'div',
        { class: 'sample-body' },
        h('div', { class: 'sample-main' }, this.modes, this.stage),
        h('div', { class: 'sample-side' }, this.list, this.facts),
      ),
    );
    this.list.addEventListener('keydown', (event) => this.#key(event));
  }

  /**
   * Shows a sample.
   * @param {Opening} opening which one, and what the buttons do
   */
  async open(opening) {
    this.close();
    const request = new AbortController();
    this.request = request;
    this.opening = opening;
    this.#drawBar(opening);
    this.host.classList.add('waiting');
    try {
      /** @type {Whole} */
      const sample = await json(`api/sample/${opening.n}`, {}, request.signal);
      this.sample = sample;
      this.host.classList.remove('waiting');
      this.#draw(sample, opening.m);
    } catch (error) {
      if (aborted(error)) return;
      this.host.classList.remove('waiting');
      this.heading.textContent = 'No sample';
      this.list.replaceChildren();
      this.facts.replaceChildren();
      this.modes.replaceChildren();
      this.stage.replaceChildren(h('p', { class: 'fault', role: 'alert' }, sentence(error)));
    }
  }

  /** Cancels what is being fetched, and stops what plays. */
  close() {
    this.request.abort();
    this.view?.close();
    this.view = null;
    this.sample = null;
  }

  /** @param {Opening} opening */
  #drawBar(opening) {
    this.heading.textContent = `Sample ${count(opening.n)}`;
    this.mark = h('span', { class: 'marks' });
    this.bar.replaceChildren(
      h(
        'a',
        { class: 'button quiet', href: opening.back, title: 'Back to the samples (Esc)' },
        icon('back'),
        'Samples',
      ),
      h(
        'div',
        { class: 'title' },
        this.heading,
        copyButton('Copy the key', () => this.sample?.key ?? ''),
        this.mark,
      ),
      h('span', { class: 'dim place' }, opening.place),
      copyButton('Copy a link to this sample', () => location.href, 'link'),
      iconButton('back', 'Previous sample (←)', () => opening.step(-1)),
      iconButton('next', 'Next sample (→)', () => opening.step(1)),
    );
  }

  /**
   * @param {Whole} sample
   * @param {string} m number of a member
   */
  #draw(sample, m) {
    this.heading.replaceChildren(h('bdi', {}, sample.key));
    document.title = `${sample.key} – shardfs`;
    const mark = changeMark(sample.change);
    this.mark?.replaceChildren(...(mark ? [mark] : []));
    this.list.replaceChildren(...sample.members.map((member) => this.#card(member)));
    const chosen = sample.members.find((member) => String(member.m) === m) ?? first(sample);
    if (chosen) this.#show(sample, chosen);
    else {
      this.modes.replaceChildren();
      this.facts.replaceChildren();
      this.stage.replaceChildren(h('p', { class: 'dim' }, 'This sample has no members.'));
    }
    for (const member of sample.members) this.#glimpse(sample, member);
  }

  /** @param {Member} member */
  #card(member) {
    const size = member.picture ? `${count(member.picture.width)} × ${count(member.picture.height)}, ` : '';
    return h(
      'li',
      { 'data-m': member.m },
      h(
        'button',
        { type: 'button', click: () => this.opening?.choose(String(member.m)) },
        h('b', {}, member.ext || 'no extension'),
        changeMark(member.change),
        h('span', { class: 'dim' }, size + bytes(member.size)),
      ),
    );
  }

  /**
   * @param {Whole} sample
   * @param {Member} member
   */
  async #glimpse(sample, member) {
    const content = await glimpse(sample, member, this.request.signal);
    if (content && this.sample === sample) this.list.querySelector(`[data-m="${member.m}"]`)?.append(content);
  }

  /**
   * Shows another member of the sample that is open.
   * @param {string} m
   */
  choose(m) {
    const member = this.sample?.members.find((one) => String(one.m) === m);
    if (this.sample && member) this.#show(this.sample, member);
  }

  /**
   * @param {Whole} sample
   * @param {Member} member
   * @param {import('./viewers.js').Mode} [mode]
   */
  #show(sample, member, mode) {
    const all = modes(member);
    const chosen = mode ?? all[0] ?? 'hex';
    this.view?.close();
    this.view = view(sample, member, chosen);
    this.stage.replaceChildren(this.view.element);
    this.modes.replaceChildren(
      h('b', { class: 'member-name' }, h('bdi', {}, member.name)),
      ...all.map((one) =>
        h(
          'button',
          {
            type: 'button',
            class: 'quiet',
            'aria-pressed': String(one === chosen),
            click: () => this.#again(sample, member, one),
          },
          modeNames[one],
        ),
      ),
    );
    for (const card of this.list.children) {
      const current = card instanceof HTMLElement && card.dataset.m === String(member.m);
      card.firstElementChild?.setAttribute('aria-current', String(current));
    }
    this.#drawFacts(sample, member);
  }

  /**
   * @param {Whole} sample
   * @param {Member} member
   * @param {import('./viewers.js').Mode} mode
   */
  #again(sample, member, mode) {
    this.#show(sample, member, mode);
    for (const button of this.modes.querySelectorAll('button')) {
      if (button.getAttribute('aria-pressed') === 'true') button.focus();
    }
  }

  /**
   * @param {Whole} sample
   * @param {Member} member
   */
  #drawFacts(sample, member) {
    const before = member.change === 'deleted' || sample.change === 'deleted' ? 1 : undefined;
    /** @type {[string, string | undefined][]} */
    const facts = [
      ['Name', member.name],
      [
        'Size',
        member.size < 1024 ? things(member.size, 'byte') : `${bytes(member.size)} (${things(member.size, 'byte')})`,
      ],
      ['At byte', typeof member.offset === 'number' ? count(member.offset) : undefined],
      ['Time', when(member.mtime)],
      [
        'Picture',
        member.picture &&
          `${member.picture.format}, ${count(member.picture.width)} × ${count(member.picture.height)} pixels`,
      ],
      ['Shard', sample.source],
      ['Renamed', sample.from && `from ${sample.from}`],
      ['Place', sample.position === undefined ? undefined : `sample ${count(sample.position + 1)} of the shard`],
    ];
    const command = member.command ?? sample.command ?? '';
    this.facts.replaceChildren(
      h(
        'dl',
        {},
        ...facts
          .filter(([, value]) => value)
          .map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, h('bdi', {}, value)))),
      ),
      h(
        'p',
        {},
        h(
          'a',
          { class: 'button', href: address(`raw/${sample.n}/${member.m}`, { download: 1, before }), download: true },
          icon('download'),
          `Download ${member.ext || 'member'}`,
        ),
      ),
      command
        ? h(
            'div',
            { class: 'command' },
            h('code', { tabindex: 0, role: 'group', 'aria-label': 'Command that prints the same bytes' }, command),
            copyButton('Copy the command', () => command),
          )
        : '',
    );
  }

  /**
   * The arrow keys go through the list of members.
   * @param {KeyboardEvent} event
   */
  #key(event) {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    const buttons = [...this.list.querySelectorAll('li > button')];
    const at = buttons.indexOf(/** @type {Element} */ (event.target));
    const next = buttons[at + step];
    if (step === 0 || at < 0 || !(next instanceof HTMLElement)) return;
    event.preventDefault();
    next.focus();
    next.click();
  }
}

/**
 * The member that is shown first.
 * @param {Whole} sample
 */
function first(sample) {
  const order = ['picture', 'video', 'audio', 'array', 'json', 'text'];
  /** @param {Member} member */
  const rank = (member) => (order.indexOf(member.kind) + 1 || 99) * 2 + (member.ext.includes('.') ? 1 : 0);
  return sample.members.reduce(
    (best, member) => (!best || rank(member) < rank(best) ? member : best),
    /** @type {Member | undefined} */ (undefined),
  );
}
