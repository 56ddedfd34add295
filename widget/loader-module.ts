import { loadFirst } from './load-first.ts';

const { url } = import.meta;

loadFirst(
  [...document.scripts].find(({ src }) => src === url),
  url,
);
