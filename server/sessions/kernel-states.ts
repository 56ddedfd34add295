import { Client } from 'undici';

import { sessionPath } from '../../sdk/contract/index.ts';
import type { Upstream } from '../spawners/spawner.ts';

const DEADLINE_MS = 5000;

/** Whether any of a session's kernels runs code. `upstreamOf` gives where its server listens; undefined when that does not say. */
export const jupyterKernelStates =
  (upstreamOf: (session: string) => Upstream | undefined) =>
  async (session: string): Promise<'busy' | 'idle' | undefined> => {
    const upstream = upstreamOf(session);
    if (!upstream) return undefined;
    const { socketPath, origin = 'http://localhost', token } = upstream;
    const client = new Client(origin, socketPath === undefined ? {} : { socketPath });
    try {
      const { statusCode, body } = await client.request({
        method: 'GET',
        path: `${sessionPath(session)}api/kernels`,
        headers: { host: 'localhost', authorization: `token ${token}` },
        signal: AbortSignal.timeout(DEADLINE_MS),
      });
      const kernels: unknown = await body.json();
      if (statusCode !== 200 || !Array.isArray(kernels)) return undefined;
      const isBusy = (kernel: unknown): boolean =>
        typeof kernel === 'object' &&
        kernel !== null &&
        'execution_state' in kernel &&
        kernel.execution_state === 'busy';
      return kernels.some(isBusy) ? 'busy' : 'idle';
    } catch {
      return undefined;
    } finally {
      await client.destroy().catch(() => undefined);
    }
  };
