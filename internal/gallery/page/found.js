// The line above the grid: how many samples there are, and for those of a filter the list of keys and its command.

import { byId, copyButton, h, icon } from './dom.js';
import { count, things } from './format.js';

/** @typedef {import('./api.js').Filter} Filter */

const line = byId('found', HTMLParagraphElement);
const nothing = byId('nothing', HTMLDivElement);
const selection = byId('selection', HTMLSpanElement);

/**
 * Says how many samples were found.
 * @param {number} whole samples of all shards
 * @param {Filter | null} filter
 * @param {string} fault why samples could not be listed; empty if they could
 */
export function tell(whole, filter, fault) {
  if (fault) line.textContent = fault;
  else if (!filter) line.textContent = things(whole, 'sample');
  else if (filter.done < 1) {
    line.textContent = `${count(filter.total)} so far, ${Math.floor(100 * filter.done)} % searched`;
  } else line.textContent = `${count(filter.total)} of ${things(whole, 'sample')}`;
  line.classList.toggle('fault', fault !== '');
  nothing.hidden = !filter || filter.done < 1 || filter.total > 0;
  offer(filter && filter.done >= 1 && filter.total > 0 ? filter : null);
}

/** @param {Filter | null} filter */
function offer(filter) {
  if (selection.dataset.id === filter?.id) return;
  selection.hidden = !filter;
  if (!filter) {
    delete selection.dataset.id;
    selection.replaceChildren();
    return;
  }
  const { id, command } = filter;
  selection.dataset.id = id;
  const keys = `api/keys?filter=${encodeURIComponent(id)}`;
  selection.replaceChildren(
    h(
      'a',
      { class: 'button quiet', href: keys, download: 'keys.txt', title: 'Download the list of keys, for --keys' },
      icon('download'),
      'Keys',
    ),
    command
      ? h(
          'span',
          { class: 'command' },
          h(
            'code',
            { title: command, tabindex: 0, role: 'group', 'aria-label': 'Command for these samples' },
            command,
          ),
          copyButton('Copy the command', () => command),
        )
      : '',
  );
}
