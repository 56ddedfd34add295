import {
  comparePositions,
  formatRepoSpec,
  isLogPhase,
  isTerminal,
  positionOf,
  type LaunchEvent,
  type LaunchState,
  type Phase,
  type RepoSpec,
} from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';
import type { SessionRecord } from '../spawners/spawner.ts';
import { EventFeed } from '../sse/event-feed.ts';

/** What a launch was asked for, checked. */
export interface CheckedRequest {
  readonly spec: RepoSpec;
  readonly kernel: string;
  readonly path: string;
  readonly profile: string;
}

/** Why a run stopped following its launch although nothing ended it: this hub stops, another one goes on. */
export class Detached extends Error {
  override readonly name = 'Detached';
}

export interface LaunchRunOptions {
  readonly id: string;
  readonly request: CheckedRequest;
  readonly createdAt: number;
  /** How long a launch goes on with nobody watching. */
  readonly abandonAfterMs: number;
}

/** One launch as this hub follows it: its events so far, what is known of it, and who watches. */
export class LaunchRun {
  readonly id: string;
  readonly request: CheckedRequest;
  readonly spec: string;
  readonly feed = new EventFeed<LaunchEvent>();
  record: SessionRecord | undefined;
  /** Called when the last watcher leaves or the run ends. */
  onIdle: () => void = () => undefined;
  readonly #createdAt: number;
  readonly #abandonAfterMs: number;
  readonly #stop = new AbortController();
  #abandonTimer: NodeJS.Timeout | undefined;
  #watchers = 0;

  constructor({ id, request, createdAt, abandonAfterMs }: LaunchRunOptions) {
    this.id = id;
    this.request = request;
    this.spec = formatRepoSpec(request.spec);
    this.#createdAt = createdAt;
    this.#abandonAfterMs = abandonAfterMs;
    this.#startAbandonTimer();
  }

  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  get ended(): boolean {
    return this.feed.ended;
  }

  get watchers(): number {
    return this.#watchers;
  }

  get last(): LaunchEvent | undefined {
    return this.feed.items.at(-1);
  }

  get phase(): Phase {
    return this.last?.phase ?? 'waiting';
  }

  /**
   * Adds an event. What would go backwards is dropped: phases go out in the order of their ranks, every line of a log
   * once, and nothing follows a terminal event.
   */
  emit(event: LaunchEvent): void {
    const { last } = this;
    if (this.feed.ended) return;
    if (last !== undefined) {
      const order = comparePositions(positionOf(event), positionOf(last));
      if (order < 0 || (order === 0 && isLogPhase(event.phase))) return;
    }
    this.feed.append(event);
    if (isTerminal(event)) this.end();
  }

  /** Nothing follows; without a terminal event watchers come again. */
  end(): void {
    clearTimeout(this.#abandonTimer);
    this.feed.end();
    if (this.#watchers === 0) this.onIdle();
  }

  /** Stops the work under way; `reason` is a HubError for the watchers, or Detached. */
  stop(reason: HubError | Detached): void {
    this.#stop.abort(reason);
  }

  /** Counts a watcher. Returns how to leave. */
  watch(): () => void {
    this.#watchers++;
    clearTimeout(this.#abandonTimer);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      if (--this.#watchers > 0) return;
      if (this.feed.ended) this.onIdle();
      else this.#startAbandonTimer();
    };
  }

  state(): LaunchState {
    const { last, record } = this;
    return {
      id: this.id,
      spec: this.spec,
      phase: this.phase,
      createdAt: record?.createdAt ?? this.#createdAt,
      ...(record === undefined
        ? {}
        : {
            resolvedRef: record.resolvedRef,
            environment: record.environment.key,
            session: record.name,
            expiresAt: record.expiresAt,
          }),
      ...(last?.phase === 'waiting' && last.position !== undefined ? { position: last.position } : {}),
      ...(last?.phase === 'failed' ? { error: { code: last.code, message: last.message } } : {}),
    };
  }

  #startAbandonTimer(): void {
    clearTimeout(this.#abandonTimer);
    this.#abandonTimer = setTimeout(() => {
      this.stop(new HubError('cancelled', 'The launch was stopped because nobody watched it any more; run it again.'));
    }, this.#abandonAfterMs).unref();
  }
}
