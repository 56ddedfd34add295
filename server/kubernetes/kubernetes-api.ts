import type { CoreV1Event, V1Lease, V1Pod, V1Secret } from '@kubernetes/client-node';

export type { CoreV1Event, V1Lease, V1Pod, V1Secret } from '@kubernetes/client-node';

/** One step of a JSON patch (RFC 6902); a `test` that fails is a 422. */
export interface PatchStep {
  readonly op: 'add' | 'remove' | 'replace' | 'test';
  readonly path: string;
  readonly value?: unknown;
}

export interface Listed<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

/** What happened to one object, as a watch tells it; `bookmark` moves the resource version and nothing else. */
export type WatchEvent<T> =
  | { readonly type: 'added' | 'modified' | 'deleted'; readonly object: T }
  | { readonly type: 'bookmark'; readonly resourceVersion: string };

export interface LogOptions {
  readonly container: string;
  readonly follow: boolean;
  /** Whole seconds, as the API takes no finer. */
  readonly sinceTime?: string;
  readonly tailLines?: number;
  /** Begins each line with its time, RFC 3339, and a space. Default false. */
  readonly timestamps?: boolean;
}

export interface DeleteOptions {
  /** Deletes only the very object that was seen. */
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** Default 0. */
  readonly graceSeconds?: number;
}

/**
 * The part of the Kubernetes API that the hub uses, one namespace at a time. Every call rejects with KubernetesError, or
 * with the reason of its signal; `delete…` resolves with whether there was something to delete.
 */
export interface KubernetesApi {
  createPod(namespace: string, pod: V1Pod, options?: { readonly dryRun?: boolean }): Promise<V1Pod>;
  getPod(namespace: string, name: string): Promise<V1Pod>;
  listPods(namespace: string, labelSelector: string): Promise<Listed<V1Pod>>;
  /** A merge patch, or steps of a JSON patch. */
  patchPod(namespace: string, name: string, patch: object | readonly PatchStep[]): Promise<V1Pod>;
  deletePod(namespace: string, name: string, options?: DeleteOptions): Promise<boolean>;
  /**
   * Whole lines as they come, each with its newline, those of more than 64 KiB cut; a cut connection rejects, a log that has
   * ended ends, and only its very last line may lack the newline. Silence is borne, for a container may have nothing to say.
   */
  podLog(namespace: string, name: string, options: LogOptions, signal: AbortSignal): AsyncIterable<string>;
  /** What the cluster says of a pod, newest last; empty where the role may not read it. */
  podEvents(namespace: string, name: string): Promise<readonly CoreV1Event[]>;
  /** One watch from a resource version on; ends or rejects when the server or the network ends it. */
  watchPods(
    namespace: string,
    options: { readonly labelSelector: string; readonly resourceVersion: string; readonly timeoutSeconds: number },
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<V1Pod>>;
  createSecret(namespace: string, secret: V1Secret): Promise<V1Secret>;
  deleteSecret(namespace: string, name: string, options?: DeleteOptions): Promise<boolean>;
  getLease(namespace: string, name: string): Promise<V1Lease>;
  createLease(namespace: string, lease: V1Lease): Promise<V1Lease>;
  /** Replaces it; a stale resource version is a 409. */
  replaceLease(namespace: string, lease: V1Lease): Promise<V1Lease>;
  /** Whether the hub's own account may do something, by the cluster's own answer. */
  may(access: {
    readonly namespace: string;
    readonly verb: string;
    readonly resource: string;
    readonly subresource?: string;
  }): Promise<boolean>;
  /** `v1.34.4` */
  version(): Promise<string>;
}
