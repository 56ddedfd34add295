import { API_VERSION, BINDERHUB } from './contract/index.ts';
import { LiveleafError } from './errors.ts';
import type { HubClient } from './hub-client.ts';
import { isTransient } from './problem.ts';

export type HubKind = 'liveleaf' | 'binderhub';

/** Asks a hub which protocol it speaks; rejects with LiveleafError where there is no hub at all. */
export const hubKind = async (hub: HubClient): Promise<HubKind> => {
  // An answer of any kind shows that something is there; only one in JSON shows a hub.
  const isAnswer = ({ status }: Response) => !isTransient(status);
  const response = await hub.ask(BINDERHUB.versions, { headers: { accept: 'application/json' } }, isAnswer);
  const versions: unknown = response.ok ? await response.json().catch(() => undefined) : undefined;
  if (typeof versions !== 'object' || versions === null) {
    const message = `${hub.address} answers, but neither as a Liveleaf hub nor as a BinderHub; check the address.`;
    throw new LiveleafError('hub_unreachable', message, { retryable: false });
  }
  const { api } = versions as { api?: unknown };
  return typeof api === 'number' && api >= API_VERSION ? 'liveleaf' : 'binderhub';
};
