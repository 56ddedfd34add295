import { API_VERSION, BINDERHUB } from './contract/index.ts';
import { LiveleafError } from './errors.ts';
import type { HubClient } from './hub-client.ts';

export type HubKind = 'liveleaf' | 'binderhub';

/** Asks a hub which protocol it speaks; rejects with LiveleafError where there is no hub at all. */
export const hubKind = async (hub: HubClient): Promise<HubKind> => {
  const response = await hub.ask(BINDERHUB.versions, { headers: { accept: 'application/json' } });
  const versions: unknown = await response.json().catch(() => undefined);
  if (typeof versions !== 'object' || versions === null) {
    const message = `${hub.address} answers, but neither as a Liveleaf hub nor as a BinderHub; check the address.`;
    throw new LiveleafError('hub_unreachable', message, { retryable: false });
  }
  const { api } = versions as { api?: unknown };
  return typeof api === 'number' && api >= API_VERSION ? 'liveleaf' : 'binderhub';
};
