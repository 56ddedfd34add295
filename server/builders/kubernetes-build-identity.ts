import { createHash } from 'node:crypto';
import { base32 } from '../environments/environment-key.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';

/** What a build pod is for. All hubs give it the same name, so that the first to make it builds, and no key has two. */
export interface BuildIdentity {
  readonly key: string;
  /** The repository that the build pushes to, `<registry host>/<repository>`. */
  readonly target: string;
}

/** Where the phase of the log stands that a second attempt goes on with. */
export type LogFloor = 'building' | 'pushing';

/** What a build pod's annotation holds. */
export interface BuildRecord extends BuildIdentity {
  readonly kind: 'build';
  readonly generation: string;
  /** 1, or 2 where the first pod was lost through no fault of the repository. */
  readonly attempt: number;
  readonly floor: LogFloor;
}

/** Why the hub ended a build, written on its pod so that every hub says the same. */
export interface BuildEnd {
  readonly code: 'build_timeout' | 'capacity' | 'pull_failed' | 'unhealthy';
  readonly reason: string;
}

export const LABELS = {
  key: 'liveleaf/key',
  managedBy: 'app.kubernetes.io/managed-by',
  component: 'app.kubernetes.io/component',
} as const;

export const ANNOTATIONS = { record: 'liveleaf/record', end: 'liveleaf/end' } as const;

/** Selects all build pods of hubs in a namespace. */
export const BUILD_SELECTOR = `${LABELS.managedBy}=liveleaf,${LABELS.component}=build`;

const NAME_CHARACTERS = 40;

/** The name of a key's pod: 200 bits of a digest. */
export const buildPodName = (key: string): string =>
  `build-${base32(createHash('sha256').update(key).digest()).slice(0, NAME_CHARACTERS)}`;

const parsed = <T>(text: string | undefined): T | undefined => {
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as T) : undefined;
  } catch {
    return undefined;
  }
};

/** What a pod says that it is for; undefined where it is no build of a hub, or has another's name. */
export const recordOf = (pod: V1Pod): BuildRecord | undefined => {
  const record = parsed<BuildRecord>(pod.metadata?.annotations?.[ANNOTATIONS.record]);
  if (record?.kind !== 'build' || pod.metadata?.name !== buildPodName(String(record.key))) return undefined;
  return pod.metadata.labels?.[LABELS.key] === record.key ? record : undefined;
};

/** Why the hub ended this build; undefined where it did not. */
export const endOf = (pod: V1Pod): BuildEnd | undefined =>
  parsed<BuildEnd>(pod.metadata?.annotations?.[ANNOTATIONS.end]);

const GENERATION_DIGITS = 6;

/** The generation after this one, in the spelling that sorts by age. */
export const generationAfter = (generation: string | undefined): string =>
  String(Number(generation ?? '0') + 1).padStart(GENERATION_DIGITS, '0');
