import type { Clock } from '../clock.ts';
import { HubError } from '../errors.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';

const FULL_RETRY_MS = 30_000;
const AWAY_RETRY_MS = 5_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 3_000;

/** Whether the API could not be reached or could not answer, so that asking again may help. */
export const isAway = (error: unknown): boolean =>
  KubernetesError.is(error) && (error.status === 0 || error.status === 429 || error.status >= 500);

/** Whether an object is another one by now than the one that was to be changed. */
export const isConflict = (error: unknown): boolean => KubernetesError.is(error, 409) || KubernetesError.is(error, 422);

/** Whether a quota of the cluster stands in the way. */
export const isOverQuota = (error: unknown): boolean =>
  KubernetesError.is(error, 403) && error.message.includes('exceeded quota');

/** What was thrown, as a person is told; what is no answer of the API stays as it is. */
export const asHubError = (error: unknown): unknown => {
  if (!KubernetesError.is(error)) return error;
  if (isOverQuota(error))
    return new HubError('capacity', 'All places for sessions in this cluster are taken; try again soon.', {
      cause: error,
      retryAfterMs: FULL_RETRY_MS,
    });
  if (isAway(error) || isConflict(error))
    return new HubError('capacity', 'The cluster does not answer the hub; try again in a moment.', {
      cause: error,
      retryAfterMs: AWAY_RETRY_MS,
    });
  return new HubError(
    'policy',
    `The cluster refuses the session (${error.message}); its operator can allow it to the hub.`,
    { cause: error },
  );
};

/** Asks again, with growing pauses, while the API is away; rejects with the last error after `patienceMs`. */
export const withPatience = async <T>(clock: Clock, patienceMs: number, work: () => Promise<T>): Promise<T> => {
  const deadline = clock.monotonic() + patienceMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    try {
      return await work();
    } catch (error) {
      if (!isAway(error) || clock.monotonic() + pauseMs > deadline) throw error;
      await clock.sleep(pauseMs * (0.5 + Math.random() / 2));
    }
  }
};
