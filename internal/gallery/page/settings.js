// What the user has set, kept by the browser where it may be: colours, the size of pictures, open facets.

import { byId, say } from './dom.js';

const themes = ['auto', 'light', 'dark'];

export class Settings {
  /** @param {(size: number) => void} resized is called with the least width of a picture */
  constructor(resized) {
    const slider = byId('size', HTMLInputElement);
    const size = Number(read('size'));
    this.size = size >= 96 && size <= 352 ? size : innerWidth < 500 ? 144 : 176;
    slider.value = String(this.size);
    slider.addEventListener('input', () => {
      this.size = Number(slider.value);
      write('size', slider.value);
      resized(this.size);
    });
    const button = byId('theme', HTMLButtonElement);
    let theme = themes.indexOf(read('theme') ?? '');
    const apply = () => {
      const name = themes[Math.max(0, theme)] ?? 'auto';
      document.documentElement.dataset.theme = name;
      button.textContent = { auto: '◐', light: '○', dark: '●' }[name] ?? '◐';
      button.title = `Colours: ${name}`;
      button.setAttribute('aria-label', `Colours: ${name}`);
    };
    button.addEventListener('click', () => {
      theme = (Math.max(0, theme) + 1) % themes.length;
      write('theme', themes[theme] ?? 'auto');
      apply();
      say(button.title);
    });
    apply();
  }

  get facets() {
    return read('facets') === 'open';
  }

  set facets(open) {
    write('facets', open ? 'open' : 'closed');
  }
}

/** @param {string} name */
function read(name) {
  try {
    return localStorage.getItem(`shardfs.${name}`);
  } catch {
    return null; // the browser keeps nothing
  }
}

/**
 * @param {string} name
 * @param {string} value
 */
function write(name, value) {
  try {
    localStorage.setItem(`shardfs.${name}`, value);
  } catch {
    // It holds as long as the page is open.
  }
}
