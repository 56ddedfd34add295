import { createBackoff, pause } from './backoff.ts';
import {
  API,
  decodeEvent,
  HEADERS,
  type LaunchCreated,
  type LaunchRequest,
  type LaunchState,
} from './contract/index.ts';
import { LiveleafError } from './errors.ts';
import { readEventStream, type StreamEnd } from './event-stream.ts';
import type { HubClient } from './hub-client.ts';
import type { LaunchProgress } from './launch-progress.ts';
import type { LaunchOptions } from './launch-types.ts';
import { isTransient } from './problem.ts';

/** The hub sends a comment every 15 s. */
const SILENCE_MS = 40_000;
const WAKE_SILENCE_MS = 16_000;
/** A launch that is lost again and again without one event in between is not begun for ever. */
const MAX_LOSSES = 5;

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** Drives one launch over the native API: created once under one key, resumed by event id over whatever breaks. */
export class LiveleafLaunch {
  readonly #hub: HubClient;
  readonly #progress: LaunchProgress;
  readonly #request: LaunchRequest;
  readonly #key: string;
  #created: Promise<LaunchCreated> | undefined;
  #lastEventId: string | undefined;
  #losses = 0;
  #attempts = 0;

  constructor(hub: HubClient, progress: LaunchProgress, spec: string, options: LaunchOptions) {
    const { kernel, path, profile } = options;
    this.#hub = hub;
    this.#progress = progress;
    this.#key = hub.world.randomToken();
    this.#request = {
      spec,
      ...(kernel === undefined ? {} : { kernel }),
      ...(path === undefined ? {} : { path }),
      ...(profile === undefined ? {} : { profile }),
    };
  }

  /** Runs to the terminal event; rejects with LiveleafError, or with the signal's reason. */
  async run(): Promise<void> {
    const backoff = createBackoff(this.#hub.world);
    while (!this.#progress.ended) {
      this.#created ??= this.#create();
      const { id, token } = await this.#created;
      const heardBefore = this.#lastEventId;
      const end = await this.#read(id, token, () => backoff.reset());
      if (this.#progress.ended || end.kind === 'aborted') return;
      if (this.#lastEventId !== heardBefore) this.#losses = 0;
      const failure = await this.#failureOf(end, id, token);
      if (failure) throw failure;
      this.#attempts = backoff.attempt + 1;
      this.#progress.setConnection('reconnecting', this.#attempts);
      await pause(
        this.#hub.world,
        backoff.next(end.kind === 'refused' ? end.error.retryAfterMs : undefined),
        this.#progress.over,
      );
    }
  }

  /**
   * Deletes the launch on the hub, also after its end; one that is gone already counts as deleted.
   * `hub` is a client of its own, since the launch's one falls silent when the launch ends.
   */
  async cancel(hub: HubClient): Promise<void> {
    const created = await this.#created?.catch(() => undefined);
    if (!created) return;
    const isGone = (response: Response) => response.ok || response.status === 404 || response.status === 410;
    await hub.ask(API.launch(created.id), { method: 'DELETE', headers: bearer(created.token) }, isGone);
  }

  async #create(): Promise<LaunchCreated> {
    const response = await this.#hub.ask(API.launches, {
      method: 'POST',
      headers: { 'content-type': 'application/json', [HEADERS.idempotencyKey]: this.#key },
      body: JSON.stringify(this.#request),
    });
    const created = (await response.json().catch(() => undefined)) as Partial<LaunchCreated> | undefined;
    if (typeof created?.id !== 'string' || typeof created.token !== 'string')
      throw new LiveleafError('internal', `The hub ${this.#hub.address} accepted the launch without naming it.`);
    this.#hub.contacted();
    return created as LaunchCreated;
  }

  #read(id: string, token: string, onHeard: () => void): Promise<StreamEnd> {
    const { world, address } = this.#hub;
    return readEventStream(world, {
      url: address + API.launchEvents(id),
      headers: bearer(token),
      lastEventId: this.#lastEventId,
      silenceMs: SILENCE_MS,
      wakeSilenceMs: WAKE_SILENCE_MS,
      signal: this.#progress.over,
      room: () => this.#progress.events.room(),
      onOpen: () => {
        this.#hub.contacted();
        this.#progress.setConnection('open', this.#attempts);
      },
      onEvent: (data, eventId) => {
        onHeard();
        this.#hub.contacted();
        if (eventId !== '') this.#lastEventId = eventId;
        const event = decodeEvent(data);
        if (event) this.#progress.accept(event);
      },
    });
  }

  /** What ends the launch, or nothing where the stream is to be opened again. */
  async #failureOf(end: StreamEnd, id: string, token: string): Promise<LiveleafError | undefined> {
    if (end.kind === 'ended') return this.#silentEnd(id, token);
    if (end.kind === 'refused' && end.status === 404) {
      // The hub lost the launch before it had a record: the same key begins the same launch again.
      this.#losses += 1;
      if (this.#losses > MAX_LOSSES) return end.error;
      this.#created = undefined;
      this.#lastEventId = undefined;
      return undefined;
    }
    if (end.kind === 'refused') {
      return end.status === 200 || isTransient(end.status) ? this.#hub.missed(end.error) : end.error;
    }
    return this.#hub.missed('cause' in end ? end.cause : undefined);
  }

  /** The stream ended without a terminal event; the launch's state says why. */
  async #silentEnd(id: string, token: string): Promise<LiveleafError> {
    const response = await this.#hub.ask(API.launch(id), { headers: bearer(token) });
    const state = (await response.json().catch(() => ({}))) as Partial<LaunchState>;
    if (state.error) return new LiveleafError(state.error.code, state.error.message);
    return new LiveleafError('session_lost', 'The launch ended on the hub without saying how; launch again.');
  }
}
