// Numbers, sizes and times as people read them. Groups of digits are parted by narrow spaces that do not break.

const SPACE = '\u202f';

/**
 * A whole number in groups of three digits: 1 000 000.
 * @param {number} n
 */
export function count(n) {
  return String(n).replace(/\B(?=(\d{3})+$)/g, SPACE);
}

/**
 * A number of things, with the noun in its singular or plural.
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function things(n, one, many = one + 's') {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/**
 * A number of bytes with three digits at most: 12.3 KiB.
 * @param {number} n
 */
export function bytes(n) {
  if (n < 1024) return `${n}${SPACE}B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  for (n /= 1024; n >= 1000 && unit < units.length - 1; n /= 1024) unit++;
  return `${n < 9.95 ? n.toFixed(1) : Math.round(n)}${SPACE}${units[unit]}`;
}

/**
 * A share as a percentage; what is there at all is never 0 %.
 * @param {number} part
 * @param {number} whole
 */
export function share(part, whole) {
  if (whole <= 0 || part <= 0) return `0${SPACE}%`;
  const percent = (100 * part) / whole;
  if (percent < 0.1) return `<${SPACE}0.1${SPACE}%`;
  return `${percent < 10 ? percent.toFixed(1) : Math.round(percent)}${SPACE}%`;
}

/**
 * A time as the server tells it, without its fraction; the empty string if there is none.
 * @param {string | null | undefined} time RFC 3339
 */
export function when(time) {
  if (!time) return '';
  return time.replace('T', ' ').replace(/\.\d+/, '').replace(/Z$/, ' UTC');
}

/**
 * A number of a plot or an array, short.
 * @param {number} x
 */
export function short(x) {
  if (Number.isInteger(x) && Math.abs(x) < 1e7) return count(x);
  if (!Number.isFinite(x)) return String(x);
  return String(Number(x.toPrecision(4)));
}

/**
 * A path without the directory in which its last part is.
 * @param {string} path
 */
export function baseName(path) {
  return path.replace(/^.*\/(?=[^/])/, '');
}
