import type { PageConfig } from './config.ts';
import { parseTolerantJson } from './tolerant-json.ts';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** Deep, in document order; a later value wins, as in Thebe. */
export const mergeDeep = (left: Fields, right: Fields): Fields => {
  const merged: Record<string, unknown> = { ...left };
  for (const [key, value] of Object.entries(right)) {
    const before = merged[key];
    merged[key] = isFields(before) && isFields(value) ? mergeDeep(before, value) : value;
  }
  return merged;
};

/** Thebe's names of providers, beside the prefixes that it takes as they are. */
const PROVIDERS: Readonly<Record<string, string>> = { github: 'gh', gitlab: 'gl', gist: 'gist', git: 'git' };

const repoOf = (binder: Fields): string | undefined => {
  const raw = text(binder['repo']);
  if (raw === undefined) return undefined;
  const named = text(binder['repoProvider']) ?? 'github';
  const provider = PROVIDERS[named] ?? named;
  if (provider === 'git') return `git/${encodeURIComponent(raw)}`;
  const repo = raw
    .replace(/^(https?:\/\/)?(www\.)?(github|gitlab)\.com\//, '')
    .replace(/^\/+|\/+$/g, '')
    .replace(/\.git$/, '');
  return provider === 'gl' ? `gl/${encodeURIComponent(repo)}` : `${provider}/${repo}`;
};

const serverOf = (settings: Fields): PageConfig['server'] => ({
  url: `${(text(settings['baseUrl']) ?? 'http://localhost:8888').replace(/\/+$/, '')}/`,
  token: text(settings['token']) ?? '',
});

/** What a Thebe 0.9 page's merged options mean here; options that have no meaning here are left aside. */
const thebeToConfig = (options: Fields): PageConfig => {
  const part = (name: string): Fields => (isFields(options[name]) ? options[name] : {});
  const kernelOptions = part('kernelOptions');
  const repo = repoOf(part('binderOptions'));
  const bare = isFields(options['serverSettings']) ? options['serverSettings'] : kernelOptions['serverSettings'];
  // An explicit flag wins; else a repository asks for a hub, and server settings alone for a server.
  const useBinder =
    typeof options['useBinder'] === 'boolean' ? options['useBinder'] : repo !== undefined || !isFields(bare);
  const binderUrl = text(part('binderOptions')['binderUrl']);
  const kernel = text(kernelOptions['kernelName']) ?? text(kernelOptions['name']);
  const path = text(kernelOptions['path'])?.replace(/^\/+/, '');
  return {
    cells: text(options['selector']) ?? '[data-executable]',
    ...(kernel === undefined || kernel === 'python' ? {} : { kernel }),
    ...(path ? { path } : {}),
    ...(useBinder
      ? {
          ...(binderUrl === undefined ? {} : { hub: binderUrl.replace(/\/+$/, '') }),
          ref: text(part('binderOptions')['ref']) ?? 'HEAD',
          ...(repo === undefined ? {} : { repo }),
        }
      : { server: serverOf(isFields(bare) ? bare : {}) }),
    thebe: {
      bootstrap: options['bootstrap'] === true,
      requestKernel: options['requestKernel'] !== false,
      outputSelector: text(options['outputSelector']) ?? '[data-output]',
      mountActivate: options['mountActivateWidget'] !== false,
      mountStatus: options['mountStatusWidget'] !== false,
    },
  };
};

/**
 * Reads the configuration blocks of a page. One that cannot be read is reported and left aside, as in Thebe;
 * undefined where there is no block at all.
 */
export const readThebeConfig = (
  blocks: readonly string[],
  report: (problem: string) => void,
): PageConfig | undefined => {
  if (blocks.length === 0) return undefined;
  const options = blocks.map((block): Fields => {
    try {
      const value = block.trim() === '' ? {} : parseTolerantJson(block);
      if (isFields(value)) return value;
      report('A Thebe configuration block must hold one object in braces; it was left aside.');
    } catch (error) {
      report(`A Thebe configuration block could not be read and was left aside: ${(error as Error).message}.`);
    }
    return {};
  });
  return thebeToConfig(options.reduce(mergeDeep, {}));
};
