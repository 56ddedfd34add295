import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BINDERHUB, formatRepoSpec, parseRepoSpec } from '../../sdk/contract/index.ts';
import { toHubError } from '../errors.ts';
import { ERRORS } from '../../sdk/contract/index.ts';
import { aboutPage } from '../pages/about-page.ts';
import { failurePage } from '../pages/failure-page.ts';
import { landingPathOf } from '../pages/landing-path.ts';
import { launchPage } from '../pages/launch-page.ts';
import { homePage, type DemoLink } from '../pages/home-page.ts';
import { rawSpec } from './binderhub-build.ts';
import type { App, RouteParts } from './route-parts.ts';

const PAGE_HEADERS: Readonly<Record<string, string>> = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'content-type': 'text/html; charset=utf-8',
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'no-cache',
};

const PREFIX = BINDERHUB.launchPage('');

/** The demo's pages, by their titles. */
const demoLinks = async (folder: string | undefined): Promise<readonly DemoLink[]> => {
  if (folder === undefined) return [];
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.html')).sort();
  return Promise.all(
    names.map(async (name) => {
      const html = await readFile(join(folder, name), 'utf8');
      return { href: `/demo/${name}`, title: /<title>([^<]*)<\/title>/.exec(html)?.[1]?.trim() || name };
    }),
  );
};

/** The hub's own pages: link maker, progress of a launch, about. */
export const registerPageRoutes = async (app: App, parts: RouteParts): Promise<void> => {
  const { providers, folders, version, isolation, addresses, config } = parts;
  const allowed = [...config.allow, ...Object.keys(config.dirs).map((name) => `dir/${name}`)];
  const home = homePage({
    providers: providers.map(({ display }) => display),
    demos: await demoLinks(folders.demo),
    allowed,
  });
  const about = aboutPage({ version, isolation, allowed });

  app.get('/', async (_request, reply) => reply.headers(PAGE_HEADERS).send(home));
  app.get('/about', async (_request, reply) => reply.headers(PAGE_HEADERS).send(about));

  app.get(`${PREFIX}*`, async (request, reply) => {
    const url = request.originalUrl;
    void reply.headers(PAGE_HEADERS);
    try {
      const spec = parseRepoSpec(rawSpec(url, PREFIX));
      const landing = landingPathOf(new URLSearchParams(url.split('?')[1] ?? ''));
      const display = providers.find(({ id }) => id === spec.provider)?.display;
      return reply.send(
        launchPage({
          spec: formatRepoSpec(spec),
          title: `${display?.displayName ?? spec.provider}: ${spec.repo}`,
          ref: spec.ref,
          landing,
          sessionHostSuffix: addresses.sessionHostSuffix,
        }),
      );
    } catch (error) {
      const { code, message } = toHubError(error);
      return reply.status(ERRORS[code].status ?? 500).send(failurePage(message));
    }
  });

  // Browsers ask for it on pages that name none.
  app.get('/favicon.ico', async (_request, reply) => reply.sendFile('leaf.svg', folders.assets));

  app.get<{ Params: { '*': string } }>('/assets/*', async (request, reply) => {
    void reply.header('cache-control', 'no-cache');
    return reply.sendFile(request.params['*'], folders.assets);
  });
};
