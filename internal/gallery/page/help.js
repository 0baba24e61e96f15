// The dialog that says how to filter, and which keys there are.

import { h, iconButton } from './dom.js';

/** Terms of filters, with what they find. */
const terms = [
  ['cat', 'the key contains “cat”'],
  ['key:train/n01*', 'the key begins so'],
  ['key~"n0[1-3]"', 'the key matches the regular expression'],
  ['shard:train-000*', 'the name of the shard begins so, with its directory or without'],
  ['has:jpg', 'there is a member jpg'],
  ['no:cls', 'there is none cls'],
  ['size>1M', 'all members together are larger'],
  ['jpg.size<10k', 'the member jpg is smaller'],
  ['cls==7', 'the content of cls is 7'],
  ['json.label~cat', 'the field label of json matches'],
  ['json.score>=0.5', 'the field is a number of at least 0.5'],
  ['change:added', 'added in the mount; also changed, deleted, renamed'],
  ['has:jpg (cls==1 or cls==2) not size>1M', 'all of that: words are joined by and'],
];

/** Keys, with what they do. */
const keys = [
  ['/', 'type a filter'],
  ['← ↑ → ↓', 'go through the samples'],
  ['Enter', 'open a sample'],
  ['← →', 'on a sample: the previous and the next one'],
  ['+ − 0 1', 'zoom: larger, smaller, whole, pixel by pixel'],
  ['Esc', 'back to the samples'],
  ['g', 'go to a sample by its number'],
  ['f', 'facets'],
  ['?', 'this help'],
];

/**
 * Opens the dialog.
 * @param {HTMLDialogElement} dialog
 * @param {(term: string) => void} use is called with a term that was clicked
 */
export function openHelp(dialog, use) {
  dialog.replaceChildren(
    h(
      'header',
      {},
      h('h2', { id: 'help-title' }, 'Filter and keys'),
      iconButton('close', 'Close (Esc)', () => dialog.close()),
    ),
    h(
      'table',
      {},
      h('caption', {}, 'Terms of a filter'),
      h(
        'tbody',
        {},
        ...terms.map(([term = '', what]) =>
          h(
            'tr',
            {},
            h(
              'th',
              { scope: 'row' },
              h(
                'button',
                {
                  type: 'button',
                  class: 'term',
                  click: () => {
                    dialog.close();
                    use(term);
                  },
                },
                h('code', {}, term),
              ),
            ),
            h('td', {}, what),
          ),
        ),
      ),
    ),
    h(
      'table',
      {},
      h('caption', {}, 'Keys'),
      h(
        'tbody',
        {},
        ...keys.map(([key, what]) => h('tr', {}, h('th', { scope: 'row' }, h('kbd', {}, key)), h('td', {}, what))),
      ),
    ),
  );
  dialog.showModal();
}
