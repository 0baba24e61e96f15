// Elements and words of the page. Text from a shard becomes text nodes only: nothing here or elsewhere parses markup.

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, string | number | boolean | null | undefined | ((event: any) => void)>} Attributes */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Sets attributes; functions are listeners by the name of their event, true is an empty attribute, and false, null and
 * undefined are none.
 * @param {Element} element
 * @param {Attributes} attributes
 */
function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
}

/**
 * Makes an element with children; what is not a node becomes text, and null, undefined and false nothing.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes]
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  set(element, attributes);
  element.append(...nodes(children));
  return element;
}

/**
 * Makes an element of SVG.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Attributes} [attributes]
 * @param {Child[]} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  set(element, attributes);
  element.append(...nodes(children));
  return element;
}

/** @param {Child[]} children */
function nodes(children) {
  /** @type {(Node | string)[]} */
  const list = [];
  for (const child of children) {
    if (child instanceof Node) list.push(child);
    else if (child !== null && child !== undefined && child !== false) list.push(String(child));
  }
  return list;
}

/**
 * Finds an element of index.html.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`index.html has no ${type.name} #${id}`);
  return element;
}

/** Paths of icons in a box of 16 by 16. */
const paths = {
  back: 'M10 3 5 8l5 5',
  next: 'm6 3 5 5-5 5',
  close: 'm4 4 8 8m0-8-8 8',
  copy: 'M6 5h7v8H6zM3 10V3h7',
  link: 'M7 9a3 3 0 0 0 4 0l2-2a3 3 0 0 0-4-4L8 4m1 3a3 3 0 0 0-4 0L3 9a3 3 0 0 0 4 4l1-1',
  download: 'M8 2v8m-3.5-3L8 10.500 11.500 7M3 13.500h10',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  play: 'M5 3v10l8-5z',
};

/**
 * An icon that has no name of its own: what it stands on has one.
 * @param {keyof typeof paths} name
 */
export function icon(name) {
  return svg('svg', { class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, svg('path', { d: paths[name] }));
}

/**
 * A button with an icon, whose name is told to screen readers and shown when the pointer rests on it.
 * @param {keyof typeof paths} name
 * @param {string} label
 * @param {(event: MouseEvent) => void} click
 */
export function iconButton(name, label, click) {
  return h('button', { type: 'button', class: 'quiet round', 'aria-label': label, title: label, click }, icon(name));
}

/**
 * Says a sentence to screen readers.
 * @param {string} text
 */
export function say(text) {
  byId('news', HTMLParagraphElement).textContent = text;
}

/**
 * A button that copies what text returns.
 * @param {string} label
 * @param {() => string} text
 * @param {'copy' | 'link'} [name]
 */
export function copyButton(label, text, name = 'copy') {
  const button = iconButton(name, label, async () => {
    const done = await copy(text());
    say(done ? 'Copied' : 'The browser does not allow copying');
    button.classList.toggle('done', done);
    setTimeout(() => button.classList.remove('done'), 1200);
  });
  return button;
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A page that was opened at another address than the loopback has no clipboard of this kind.
    const area = h('textarea', { class: 'hidden' });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  }
}
