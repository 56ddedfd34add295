import { createBackoff, pause } from './backoff.ts';
import { BINDERHUB, decodeEvent } from './contract/index.ts';
import { LiveleafError } from './errors.ts';
import { readEventStream, type StreamEnd } from './event-stream.ts';
import type { HubClient } from './hub-client.ts';
import type { LaunchProgress } from './launch-progress.ts';
import { isTransient } from './problem.ts';

/** A BinderHub sends a comment every 25 s; two may be missed. */
const SILENCE_MS = 60_000;

const AGAIN =
  'The stream of this BinderHub broke, and a BinderHub cannot go on where it was: asking once more from the start.';

/** Follows a plain BinderHub's `/build`, which cannot resume: after a cut it is asked again once, from the start. */
export class BinderhubLaunch {
  readonly #hub: HubClient;
  readonly #progress: LaunchProgress;
  readonly #url: string;
  #opened = 0;

  constructor(hub: HubClient, progress: LaunchProgress, spec: string) {
    this.#hub = hub;
    this.#progress = progress;
    this.#url = hub.address + BINDERHUB.build(spec);
  }

  /** Runs to the terminal event; rejects with LiveleafError, or with the signal's reason. */
  async run(): Promise<void> {
    const backoff = createBackoff(this.#hub.world);
    while (!this.#progress.ended) {
      const openedBefore = this.#opened;
      const end = await this.#read(backoff.attempt);
      if (this.#progress.ended || end.kind === 'aborted') return;
      const failure = await this.#failureOf(end);
      if (failure) throw failure;
      if (this.#opened > openedBefore)
        this.#progress.accept({ phase: 'unknown', message: AGAIN, fields: { restarted: true } });
      const waitMs = backoff.next(end.kind === 'refused' ? end.error.retryAfterMs : undefined);
      this.#progress.setConnection('reconnecting', backoff.attempt);
      await pause(this.#hub.world, waitMs, this.#progress.over);
    }
  }

  #read(attempt: number): Promise<StreamEnd> {
    return readEventStream(this.#hub.world, {
      url: this.#url,
      silenceMs: SILENCE_MS,
      wakeSilenceMs: SILENCE_MS,
      signal: this.#progress.over,
      room: () => this.#progress.events.room(),
      onOpen: () => {
        this.#opened += 1;
        this.#progress.setConnection('open', attempt);
      },
      onEvent: (data) => {
        const event = decodeEvent(data);
        if (event?.phase === 'ready' && event.url === '') {
          const message = 'The BinderHub says that it is ready and names no server; it may only build images.';
          this.#progress.fail(new LiveleafError('policy', message));
        } else if (event) this.#progress.accept(event);
      },
    });
  }

  /** What ends the launch, or nothing where the hub is to be asked again. */
  async #failureOf(end: StreamEnd): Promise<LiveleafError | undefined> {
    if (end.kind === 'refused' && !isTransient(end.status)) return end.error;
    if (end.kind === 'cut' && this.#opened > 1) {
      const message = 'The stream of this BinderHub broke twice; launch again, its build may meanwhile be done.';
      return new LiveleafError('hub_unreachable', message, { cause: end.cause });
    }
    if (end.kind === 'ended') return new LiveleafError('internal', 'The BinderHub ended its stream without an event.');
    if (end.kind === 'cut') return undefined;
    return this.#hub.missed(end.kind === 'refused' ? end.error : 'cause' in end ? end.cause : undefined);
  }
}
