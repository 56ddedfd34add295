import { createBackoff, pause } from './backoff.ts';
import { ERRORS, isErrorCode, type ErrorCode } from './contract/index.ts';
import { LiveleafError } from './errors.ts';
import type { Server } from './kernel.ts';
import { isTransient } from './problem.ts';
import type { World } from './world.ts';

const ANSWER_MS = 30_000;
const TRIES = 5;

/** Codes with which a hub says that a session is over, and why. */
const ENDS: readonly ErrorCode[] = ['expired', 'session_lost', 'session_oom', 'session_crashed', 'kernel_oom'];

/** One request to a Jupyter server, with a deadline; rejects where it does not answer. `path` is relative to it. */
export const askJupyter = async (
  world: World,
  server: Pick<Server, 'url' | 'token'>,
  path: string,
  init: RequestInit = {},
): Promise<Response> => {
  const deadline = new AbortController();
  const timer = world.setTimeout(
    () => deadline.abort(new Error(`The Jupyter server did not answer for ${ANSWER_MS / 1_000} s.`)),
    ANSWER_MS,
  );
  try {
    return await world.fetch(server.url + path, {
      cache: 'no-store',
      credentials: 'omit',
      ...init,
      headers: { 'content-type': 'application/json', authorization: `token ${server.token}` },
      signal: deadline.signal,
    });
  } finally {
    world.clearTimeout(timer);
  }
};

const readObject = async (response: Response): Promise<Record<string, unknown>> => {
  const body: unknown = await response.json().catch(() => undefined);
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
};

/** Why a session or its kernel is gone, judged by an answer of its server; undefined where it may still be there. */
export const goneOf = async (world: World, server: Server, response: Response): Promise<LiveleafError | undefined> => {
  const { status } = response;
  if (status !== 401 && status !== 403 && status !== 404 && status !== 410 && status !== 424) return undefined;
  const body = await readObject(response);
  if (isErrorCode(body['code']) && ENDS.includes(body['code'])) {
    const said = typeof body['detail'] === 'string' ? body['detail'] : 'The session has ended; launch again.';
    return new LiveleafError(body['code'], said, { retryable: ERRORS[body['code']].retryable });
  }
  if (world.now() >= server.expiresAt)
    return new LiveleafError('expired', 'The session has reached its time limit; launch again to go on.');
  // Jupyter's own words for a kernel that it does not know; a hub's 404 says nothing of a kernel.
  if (status === 404 && typeof body['message'] === 'string' && /kernel/i.test(body['message']))
    return new LiveleafError('kernel_dead', 'The kernel no longer exists; its variables are lost.');
  return new LiveleafError('session_lost', 'The session has ended on the hub; launch again to go on.');
};

/** Why there is no use in connecting again: kernel or session are gone. Undefined where another try may succeed. */
export const whyKernelGone = async (
  world: World,
  server: Server,
  kernelId: string,
): Promise<LiveleafError | undefined> => {
  if (world.now() >= server.expiresAt)
    return new LiveleafError('expired', 'The session has reached its time limit; launch again to go on.');
  const response = await askJupyter(world, server, `api/kernels/${encodeURIComponent(kernelId)}`).catch(
    () => undefined,
  );
  if (!response) return undefined;
  if (!response.ok) return goneOf(world, server, response);
  const { execution_state: state } = await readObject(response);
  if (state !== 'dead') return undefined;
  return new LiveleafError('kernel_dead', 'The kernel has died and could not be started again.');
};

const offline = (cause: unknown): LiveleafError =>
  new LiveleafError('offline', 'The Jupyter server cannot be reached; check the network and try again.', { cause });

/** Sends a request until it is answered, some times; what the server refuses becomes a LiveleafError. */
export const insistOnJupyter = async (
  world: World,
  server: Server,
  path: string,
  init: RequestInit,
  signal?: AbortSignal,
): Promise<Response> => {
  const backoff = createBackoff(world);
  for (;;) {
    signal?.throwIfAborted();
    const outcome = await askJupyter(world, server, path, init).then(
      (response) => ({ response }),
      (cause: unknown) => ({ cause }),
    );
    const isLast = backoff.attempt >= TRIES - 1;
    if ('response' in outcome) {
      const { response } = outcome;
      if (response.ok) return response;
      const gone = await goneOf(world, server, response.clone());
      if (gone) throw gone;
      if (!isTransient(response.status) || isLast) {
        const { message } = await readObject(response);
        const said = typeof message === 'string' && message !== '' ? message : `status ${response.status}`;
        throw new LiveleafError('session_crashed', `The Jupyter server refused ${path}: ${said}`);
      }
    } else if (isLast) throw offline(outcome.cause);
    await pause(world, backoff.next(), signal);
  }
};

/** Finds the kernel that runs for a path, or starts one; Jupyter answers the same request with the same kernel. */
export const findOrStartKernel = async (
  world: World,
  server: Server,
  options: { readonly path: string; readonly name: string; readonly signal?: AbortSignal | undefined },
): Promise<{ readonly id: string; readonly name: string }> => {
  const body = { path: options.path, name: options.path, type: 'notebook', kernel: { name: options.name } };
  const init = { method: 'POST', body: JSON.stringify(body) };
  const response = await insistOnJupyter(world, server, 'api/sessions', init, options.signal);
  const { kernel } = (await readObject(response)) as { kernel?: { id?: unknown; name?: unknown } };
  if (typeof kernel?.id === 'string') return { id: kernel.id, name: String(kernel.name ?? options.name) };
  throw new LiveleafError('session_crashed', 'The Jupyter server started a kernel and did not name it.');
};
