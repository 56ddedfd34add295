import { BINDERHUB } from '../../sdk/contract/index.ts';
import type { SessionSeed } from '../spawners/spawner.ts';

/** The paths by which BinderHub names what was asked for and what it resolved to; no leading slash. */
export const binderRequests = (seed: Pick<SessionSeed, 'spec' | 'repo' | 'resolvedRef'>) => ({
  request: BINDERHUB.launchPage(seed.spec).slice(1),
  persistentRequest: BINDERHUB.launchPage(`${seed.repo}/${seed.resolvedRef}`).slice(1),
});

/** What notebooks and extensions find in the kernel's environment on every BinderHub; `hubUrl` ends in a slash. */
export const binderVariables = (seed: SessionSeed, hubUrl: string): Readonly<Record<string, string>> => {
  const { request, persistentRequest } = binderRequests(seed);
  return {
    BINDER_LAUNCH_HOST: hubUrl,
    BINDER_REPO_URL: seed.repoUrl,
    BINDER_REF_URL: seed.refUrl,
    BINDER_REQUEST: request,
    BINDER_PERSISTENT_REQUEST: persistentRequest,
  };
};
