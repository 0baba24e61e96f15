// The server's answers, and how the page asks for them. All addresses are relative to that of the page, which has the
// token.

/** @typedef {'' | 'added' | 'changed' | 'deleted' | 'renamed'} Change */
/** @typedef {'picture' | 'video' | 'audio' | 'json' | 'text' | 'class' | 'array' | 'markup' | 'other'} Kind */
/** @typedef {'waiting' | 'indexing' | 'ready' | 'failed' | 'replaced'} State */
/**
 * @typedef {{ name: string, first?: number, samples: number, bytes: number, state: State, done?: number,
 *   error?: string }}
 *   Shard
 */
/**
 * @typedef {{ title: string, shards: Shard[], samples: number, generation: number, mount: boolean, command: string }}
 *   ShardSet
 */
/** @typedef {{ m: number, ext: string, size: number, kind: Kind, change?: Change }} Brief */
/**
 * @typedef {{ n: number, shard: number, key: string, change?: Change, members: Brief[], more?: number,
 *   cells?: Record<string, string>, error?: string }} Sample
 */
/** @typedef {{ format: string, width: number, height: number }} Picture */
/**
 * @typedef {{ m: number, name: string, ext: string, size: number, offset?: number | null, mtime?: string | null,
 *   kind: Kind, picture?: Picture, change?: Change, command?: string }} Member
 */
/** @typedef {[x: number, y: number, width: number, height: number, label?: string]} Box */
/** @typedef {{ on: number, kind: 'mask' | 'boxes', member: number, boxes?: Box[] }} Overlay */
/**
 * @typedef {{ n: number, shard: number, key: string, from?: string, source: string, change?: Change, position?: number,
 *   members: Member[], overlays?: Overlay[], command?: string }} Whole
 */
/** @typedef {{ id: string, total: number, done: number, command?: string }} Filter */
/**
 * @typedef {{ done: number | boolean, extensions: Record<string, number>, missing: Record<string, number>,
 *   shards?: Record<string, number> | null,
 *   fields: Record<string, Record<string, number>> }} Facets
 */
/** @typedef {{ dtype: string, shape: number[], values: number[], min: number, max: number }} Numbers */
/** @typedef {Record<string, string | number | undefined>} Parameters */

/** An answer that is an error, with the server's own words; status 0 if there was no answer. */
export class Fault extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** @type {(answered: boolean) => void} */
let contact = () => {};

/**
 * Has a function called after each request, which learns whether the server has answered.
 * @param {(answered: boolean) => void} listener
 */
export function onContact(listener) {
  contact = listener;
}

/**
 * The address of something on the server; parameters that are undefined are left out.
 * @param {string} path
 * @param {Parameters} [parameters]
 */
export function address(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

/**
 * Asks the server, and throws a Fault unless it answers with success. A request that signal has ended throws an
 * AbortError.
 * @param {string} url
 * @param {AbortSignal} [signal]
 */
export async function ask(url, signal) {
  let answer;
  try {
    answer = await fetch(url, signal ? { signal } : {});
  } catch (error) {
    if (aborted(error)) throw error;
    contact(false);
    throw new Fault(0, 'the server does not answer');
  }
  contact(true);
  if (!answer.ok) throw new Fault(answer.status, await reason(answer));
  return answer;
}

/** @param {Response} answer */
async function reason(answer) {
  try {
    const body = await answer.json();
    if (typeof body.error === 'string') return body.error;
  } catch {
    // Not an answer of the API: its status says enough.
  }
  return `the server answers ${answer.status} ${answer.statusText}`;
}

/**
 * Asks for JSON.
 * @template T
 * @param {string} path
 * @param {Parameters} [parameters]
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function json(path, parameters, signal) {
  return (await ask(address(path, parameters), signal)).json();
}

/**
 * Reports whether an error only says that a request was cancelled.
 * @param {unknown} error
 */
export function aborted(error) {
  return error instanceof DOMException && error.name === 'AbortError';
}

/**
 * The sentence of an error.
 * @param {unknown} error
 */
export function sentence(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Waits; ends early, with an AbortError, when signal says so.
 * @param {number} milliseconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('', 'AbortError'));
    });
  });
}

/**
 * Waits, at most until the page is hidden or looked at again.
 * @param {number} milliseconds
 * @returns {Promise<void>}
 */
export function rest(milliseconds) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    document.addEventListener('visibilitychange', end);
  });
}
