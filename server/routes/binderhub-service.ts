import { API_VERSION, BINDERHUB, DEFAULT_REF } from '../../sdk/contract/index.ts';
import { badge } from '../pages/badge.ts';
import { PUBLIC_FILES } from './guards.ts';
import type { App, RouteParts } from './route-parts.ts';

/** The version of BinderHub whose protocol this hub speaks; clients show it. */
const BINDERHUB_VERSION = '1.0.0';

/** BinderHub's service routes, field for field. */
export const registerBinderHubService = (app: App, parts: RouteParts): void => {
  const { providers, spawner, config, isolation, version, hindrance, metrics } = parts;

  app.get(BINDERHUB.versions, { schema: { summary: 'Versions, and what isolates sessions' } }, async () => ({
    builder_info: { liveleaf: version },
    binderhub: BINDERHUB_VERSION,
    builder: `liveleaf ${version}`,
    liveleaf: version,
    api: API_VERSION,
    isolation,
  }));

  const health = async () => {
    const records = await spawner.list();
    const live = records.filter(({ state }) => state !== 'failed');
    const user = live.filter(({ state }) => state === 'ready').length;
    const quota = config.quota.total;
    // A public status page takes these by their order.
    const checks = [
      { service: 'Docker registry', ok: true },
      { service: 'JupyterHub API', ok: hindrance() === undefined },
      {
        service: 'Pod quota',
        ok: live.length < quota,
        total_pods: live.length,
        build_pods: live.length - user,
        user_pods: user,
        quota,
        _ignore_failure: true,
      },
    ];
    return { ok: checks[0]!.ok && checks[1]!.ok, checks };
  };
  app.get(BINDERHUB.health, { schema: { summary: 'BinderHub’s health checks' } }, async (_request, reply) => {
    const answer = await health();
    return reply.status(answer.ok ? 200 : 503).send(answer);
  });

  app.get(BINDERHUB.metrics, { schema: { summary: 'Figures for Prometheus' } }, async (_request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  );

  const displays = providers.map(({ display }) => display);
  app.get(
    BINDERHUB.repoProviders,
    { schema: { summary: 'The kinds of source that are served' } },
    async () => displays,
  );

  const oldConfig = Object.fromEntries(
    displays.map(({ id, repo, ref }) => [
      id,
      {
        text: repo.label,
        tag_text: 'Git ref (branch, tag, or commit)',
        ref_prop_disabled: !ref.enabled,
        label_prop_disabled: !ref.enabled,
      },
    ]),
  );
  app.get(BINDERHUB.config, { schema: { summary: 'What BinderHub’s older pages asked for' } }, async () => oldConfig);

  for (const path of ['/badge.svg', '/badge_logo.svg', '/assets/images/badge.svg'])
    app.get(path, { config: PUBLIC_FILES, schema: { summary: 'The launch badge' } }, async (_request, reply) =>
      reply.type('image/svg+xml').header('cache-control', 'public, max-age=86400').send(badge),
    );

  app.get<{ Params: { user: string; repo: string; '*'?: string } }>('/repo/:user/:repo', redirectOldLink);
  app.get<{ Params: { user: string; repo: string; '*'?: string } }>('/repo/:user/:repo/*', redirectOldLink);

  app.get('/robots.txt', async (_request, reply) => reply.type('text/plain').send('User-agent: *\nDisallow: /\n'));
};

const redirectOldLink = async (
  request: { params: { user: string; repo: string; '*'?: string } },
  reply: { redirect(address: string, status?: number): unknown },
): Promise<unknown> => {
  const { user, repo, '*': path = '' } = request.params;
  const page = BINDERHUB.launchPage(`gh/${encodeURIComponent(user)}/${encodeURIComponent(repo)}/${DEFAULT_REF}`);
  return reply.redirect(path === '' ? page : `${page}?urlpath=${encodeURIComponent(`/${path}`)}`, 302);
};
