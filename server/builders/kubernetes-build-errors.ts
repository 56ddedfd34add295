import { HubError } from '../errors.ts';
import { KubernetesError } from '../kubernetes/kubernetes-error.ts';

const QUOTA_RETRY_MS = 15_000;
const AWAY_RETRY_MS = 5_000;

/** Whether the cluster refused a pod because its namespace holds as many as it may. */
const isQuotaRefusal = (error: unknown): boolean =>
  KubernetesError.is(error, 403) && error.message.includes('exceeded quota');

/** What the cluster answered to a build as the error that a person sees; anything that is no KubernetesError is returned as it is. */
const clusterError = (error: unknown): unknown => {
  if (!KubernetesError.is(error)) return error;
  const { status, message } = error;
  if (isQuotaRefusal(error))
    return new HubError('capacity', 'As many environments are being built as the cluster allows. Try again shortly.', {
      retryAfterMs: QUOTA_RETRY_MS,
      cause: error,
    });
  if (status === 401 || status === 403 || status === 404)
    return new HubError(
      'unhealthy',
      `The cluster refuses builds: ${message.slice(0, 300)}. The hub’s owner can see what is missing with \`liveleaf doctor\`.`,
      { cause: error },
    );
  // A pod that the cluster calls wrong in itself is this hub's mistake.
  if (status === 400 || status === 422)
    return new HubError('internal', 'The hub asked the cluster for something wrong; its log has the details.', {
      cause: error,
    });
  return new HubError('capacity', 'The cluster does not answer at the moment. Try again shortly.', {
    retryAfterMs: AWAY_RETRY_MS,
    cause: error,
  });
};

/** Does something in the cluster; what fails there throws the error that a person sees. */
export const inCluster = async <T>(work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw clusterError(error);
  }
};
