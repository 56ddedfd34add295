/** What the Kubernetes API answered instead of doing it; `status` is 0 where nothing answered. */
export class KubernetesError extends Error {
  override readonly name = 'KubernetesError';
  readonly status: number;
  /** The API's own word: `NotFound`, `AlreadyExists`, `Conflict`, `Forbidden`, `Expired` … */
  readonly reason: string;

  constructor(status: number, reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
    this.reason = reason;
  }

  /** Narrows what was thrown, by status where one is given. */
  static is(error: unknown, status?: number): error is KubernetesError {
    return error instanceof KubernetesError && (status === undefined || error.status === status);
  }
}
