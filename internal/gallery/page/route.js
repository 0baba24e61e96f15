// What the page shows is in the fragment of its address, so that Back, links and two tabs work: #/ is the grid,
// #/sample/N a sample, #/statistics the numbers; ?q= a filter, ?at= the first sample in view, ?i= a sample's place
// among those that the filter has found, ?m= the member that is shown.

/**
 * @typedef {{ view: 'grid' | 'sample' | 'statistics', n: number, q: string, at: number, i: number | undefined,
 *   m: string }} Route
 */

/**
 * Reads a fragment; what makes no sense is the grid.
 * @param {string} hash
 * @returns {Route}
 */
export function parse(hash) {
  const [path = '', query = ''] = hash.replace(/^#/, '').split(/\?(.*)/s);
  const parameters = new URLSearchParams(query);
  /** @param {string} name */
  const number = (name) => {
    const text = parameters.get(name);
    return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
  };
  const sample = /^\/sample\/(\d{1,15})$/.exec(path);
  return {
    view: sample ? 'sample' : path === '/statistics' ? 'statistics' : 'grid',
    n: sample ? Number(sample[1]) : 0,
    q: parameters.get('q') ?? '',
    at: number('at') ?? 0,
    i: number('i'),
    m: parameters.get('m') ?? '',
  };
}

/**
 * Writes a fragment.
 * @param {Partial<Route>} route
 */
export function format(route) {
  const parameters = new URLSearchParams();
  if (route.q) parameters.set('q', route.q);
  if (route.at) parameters.set('at', String(route.at));
  if (route.i !== undefined) parameters.set('i', String(route.i));
  if (route.m) parameters.set('m', route.m);
  const path = route.view === 'sample' ? `#/sample/${route.n}` : route.view === 'statistics' ? '#/statistics' : '#/';
  const query = parameters.toString();
  return query ? `${path}?${query}` : path;
}
