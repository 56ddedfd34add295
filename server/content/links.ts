const MAX_HOPS = 40;

/** Whether a link, followed with all the links on its way, ends outside the root (or nowhere, in a loop). */
const leaves = (link: string, links: ReadonlyMap<string, string>): boolean => {
  const done: string[] = [];
  const todo = link.split('/');
  let hops = 0;
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (done.pop() === undefined) return true;
      continue;
    }
    const target = links.get([...done, part].join('/'));
    if (target === undefined) {
      done.push(part);
      continue;
    }
    hops += 1;
    if (target.startsWith('/') || target === '' || hops > MAX_HOPS) return true;
    todo.unshift(...target.split('/'));
  }
  return false;
};

/** Of links and their targets, those that lead out of the root; paths are relative to it. */
export const escapingLinks = (links: ReadonlyMap<string, string>): ReadonlySet<string> =>
  new Set([...links.keys()].filter((link) => leaves(link, links)));
