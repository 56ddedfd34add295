import { headerOf, type RegistryAnswer } from './registry-answer.ts';

/** Where the next page of a list is (RFC 8288), on the same registry; undefined on the last one. */
export const nextPage = (answer: RegistryAnswer): URL | undefined => {
  for (const link of (headerOf(answer, 'link') ?? '').split(/,(?=\s*<)/)) {
    const [, target, parameters = ''] = /^\s*<([^>]*)>(.*)$/s.exec(link) ?? [];
    if (target === undefined || !/;\s*rel\s*=\s*"?next"?\s*(?:;|$)/i.test(parameters)) continue;
    if (!URL.canParse(target, answer.url.href)) return undefined;
    const there = new URL(target, answer.url);
    // A registry behind a proxy may not know its own address, but its lists are where the first page was.
    const next = new URL(`${answer.url.origin}${there.pathname}${there.search}`);
    return next.href === answer.url.href ? undefined : next;
  }
  return undefined;
};
