import { gunzipSync, gzipSync } from 'node:zlib';
import type { BuiltEnvironment } from '../builders/builder.ts';
import type { EnvironmentPlan, PlannedEnvironment } from '../environments/plan.ts';
import { HubError } from '../errors.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import { endedAt, podProblem } from './kubernetes-pod-problem.ts';
import { ANNOTATIONS, LABELS, QUEUE_GATE, sessionOfPod } from './kubernetes-session-name.ts';
import type { SessionError, SessionRecord, SessionSeed } from './spawner.ts';

/** What a record is made of when its session is reserved or claimed. */
export interface AskedSession extends SessionSeed {
  readonly name: string;
  readonly generation: number;
  readonly expiresAt: number;
  readonly warm: SessionRecord['warm'];
}

/** What a pod was opened with. */
export interface OpenedSession {
  readonly at: number;
  readonly environment: BuiltEnvironment;
}

/** What this hub knows of a session before it is written. */
export type KnownTimes = Partial<Pick<SessionRecord, 'lastActivityAt' | 'expiresAt'>>;
export interface KnownState extends KnownTimes {
  readonly state?: 'starting' | 'ready';
  readonly kernelSession?: SessionRecord['kernelSession'];
}

export interface RecordSettings {
  readonly keepFailedMs: number;
  readonly startTimeoutMs: number;
}

/** All annotations of a pod together may hold 256 KiB. */
const MAX_ANNOTATION_BYTES = 200 * 1024;
const MAX_TAIL_CHARACTERS = 8 * 1024;

const annotationOf = (pod: V1Pod, name: string): string | undefined => pod.metadata?.annotations?.[name];

const parsed = <T>(pod: V1Pod, name: string): T | undefined => {
  const text = annotationOf(pod, name);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
};

/** An annotation that holds a number. */
export const numberOf = (pod: V1Pod, name: string): number | undefined => {
  const value = Number(annotationOf(pod, name) ?? Number.NaN);
  return Number.isFinite(value) ? value : undefined;
};

/** An environment whose plan is unpacked when somebody asks: a lock file is long, and most who read a record do not. */
class PackedEnvironment implements PlannedEnvironment {
  readonly key: string;
  readonly notices: readonly string[];
  readonly #plan: string;

  constructor(key: string, notices: readonly string[], plan: string) {
    this.key = key;
    this.notices = notices;
    this.#plan = plan;
  }

  get plan(): EnvironmentPlan {
    return JSON.parse(gunzipSync(Buffer.from(this.#plan, 'base64')).toString()) as EnvironmentPlan;
  }
}

/** The labels and annotations that are a record. Throws HubError `unsupported_environment` where they do not fit on a pod. */
export const recordMetadata = (
  asked: AskedSession,
): { labels: Record<string, string>; annotations: Record<string, string> } => {
  const { environment, ...rest } = asked;
  const { plan, key, notices } = environment;
  const annotations = {
    [ANNOTATIONS.record]: JSON.stringify({ ...rest, environment: { key, notices } }),
    [ANNOTATIONS.plan]: gzipSync(JSON.stringify(plan)).toString('base64'),
  };
  const bytes = Object.values(annotations).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes > MAX_ANNOTATION_BYTES)
    throw new HubError(
      'unsupported_environment',
      `The repository’s list of packages takes ${Math.ceil(bytes / 1024)} KiB compressed, and a cluster keeps ${MAX_ANNOTATION_BYTES / 1024}; use a shorter uv.lock or requirements.txt.`,
    );
  return { labels: { [LABELS.launch]: asked.launchId, [LABELS.key]: key }, annotations };
};

/** What a pod was opened with; undefined while it waits behind its gate. */
export const openedOf = (pod: V1Pod): OpenedSession | undefined => parsed<OpenedSession>(pod, ANNOTATIONS.opened);

export const isGated = (pod: V1Pod): boolean =>
  (pod.spec?.schedulingGates ?? []).some(({ name }) => name === QUEUE_GATE);

/** Whether somebody has written that it failed. */
export const isFailed = (pod: V1Pod): boolean => annotationOf(pod, ANNOTATIONS.failed) !== undefined;

/** Whether its server may be asked: it runs, and nobody has ended it. */
export const isServing = (pod: V1Pod): boolean =>
  pod.status?.phase === 'Running' &&
  pod.status.podIP !== undefined &&
  pod.metadata?.deletionTimestamp === undefined &&
  !isFailed(pod) &&
  endedAt(pod) === undefined;

/** Whether it is a warm session that nobody has claimed. */
export const isWarm = (pod: V1Pod): boolean => pod.metadata?.labels?.[LABELS.warm] !== undefined;

/** A failure as it is kept: of a log's tail the last lines. */
export const failureAnnotation = (error: SessionError, removeAt: number): string => {
  const tail: string[] = [];
  let room = MAX_TAIL_CHARACTERS;
  for (const line of [...(error.logTail ?? [])].reverse()) {
    room -= line.length;
    if (room < 0) break;
    tail.unshift(line);
  }
  const { logTail, ...rest } = error;
  return JSON.stringify({ error: logTail === undefined ? rest : { ...rest, logTail: tail }, removeAt });
};

const askedOf = (pod: V1Pod): AskedSession | undefined => {
  const asked = parsed<AskedSession>(pod, ANNOTATIONS.record);
  if (asked === undefined || asked.name !== sessionOfPod(pod.metadata?.name ?? '')) return undefined;
  const { key, notices } = asked.environment;
  return { ...asked, environment: new PackedEnvironment(key, notices, annotationOf(pod, ANNOTATIONS.plan) ?? '') };
};

/** Read once for each version of a pod: lists of records are asked for many times a second. */
const read = new WeakMap<V1Pod, AskedSession | undefined>();

type Ending = Pick<SessionRecord, 'state' | 'error' | 'removeAt'>;

/** Why a session has failed: as somebody wrote, or as its pod shows. */
const failureOf = (pod: V1Pod, nowMs: number, settings: RecordSettings): Ending | undefined => {
  const written = parsed<{ error: SessionError; removeAt: number }>(pod, ANNOTATIONS.failed);
  if (written !== undefined) return { state: 'failed', ...written };
  const at = endedAt(pod);
  if (at === undefined) return undefined;
  const { code, message } = podProblem(pod, [], nowMs) ?? {
    code: 'session_lost' as const,
    message: 'The session ended by itself; launch again.',
  };
  return { state: 'failed', error: { code, message }, removeAt: at + settings.keepFailedMs };
};

const stateOf = (pod: V1Pod, asked: AskedSession, known: KnownState, nowMs: number, settings: RecordSettings) => {
  if (isGated(pod)) return 'reserved';
  if (known.state === 'ready' || annotationOf(pod, ANNOTATIONS.ready) !== undefined) return 'ready';
  if (known.state !== undefined) return known.state;
  // A claimed session runs long before its launch has a place.
  if (asked.warm === 'session') return 'reserved';
  // The hub that started it ended before it wrote so; by now it answers or it would have been ended.
  const started = (openedOf(pod)?.at ?? nowMs) + 2 * settings.startTimeoutMs < nowMs;
  return started && isServing(pod) ? 'ready' : 'starting';
};

/** The record that a pod is; undefined for one that carries none, such as a warm session that nobody has claimed. */
export const recordOf = (
  pod: V1Pod,
  known: KnownState,
  nowMs: number,
  settings: RecordSettings,
): SessionRecord | undefined => {
  if (!read.has(pod)) read.set(pod, askedOf(pod));
  const asked = read.get(pod);
  if (asked === undefined) return undefined;
  const ending = failureOf(pod, nowMs, settings);
  const opened = openedOf(pod);
  const kernelSession =
    known.kernelSession ??
    parsed<{ kernelSession?: SessionRecord['kernelSession'] }>(pod, ANNOTATIONS.ready)?.kernelSession;
  return {
    ...asked,
    state: stateOf(pod, asked, known, nowMs, settings),
    expiresAt: known.expiresAt ?? numberOf(pod, ANNOTATIONS.expiresAt) ?? asked.expiresAt,
    lastActivityAt: Math.max(
      known.lastActivityAt ?? asked.createdAt,
      numberOf(pod, ANNOTATIONS.lastActivityAt) ?? asked.createdAt,
    ),
    ...(opened !== undefined && { environmentGeneration: opened.environment.generation }),
    ...(kernelSession !== undefined && { kernelSession }),
    ...ending,
  };
};

/** The oldest first; of one age by name. */
export const byAge = (a: SessionRecord, b: SessionRecord): number =>
  a.createdAt - b.createdAt || (a.name < b.name ? -1 : 1);
