import { createHash } from 'node:crypto';
import { base32, canonicalJson } from '../environments/environment-key.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';

/** What one build pod is for. Two hubs that want the same give their pods the same name, and the first to make it builds. */
export interface BuildIdentity {
  readonly key: string;
  readonly generation: string;
  /** 1, or 2 where the first pod was lost through no fault of the repository. */
  readonly attempt: number;
  /** The image that the build pushes, `<registry host>/<repository>`. */
  readonly target: string;
}

/** Where the phase of the log stands that a second attempt goes on with. */
export type LogFloor = 'building' | 'pushing';

/** What a build pod's annotation holds. */
export interface BuildRecord extends BuildIdentity {
  readonly kind: 'build';
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

/** The name of a build's pod: 200 bits of the digest of what it is for. */
export const buildPodName = ({ key, generation, attempt }: BuildIdentity): string => {
  const digest = createHash('sha256').update(`${key}/${generation}/${attempt}`).digest();
  return `build-${base32(digest).slice(0, NAME_CHARACTERS)}`;
};

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
  if (record?.kind !== 'build' || pod.metadata?.name !== buildPodName(record)) return undefined;
  return pod.metadata.labels?.[LABELS.key] === record.key ? record : undefined;
};

/** Why the hub ended this build; undefined where it did not. */
export const endOf = (pod: V1Pod): BuildEnd | undefined =>
  parsed<BuildEnd>(pod.metadata?.annotations?.[ANNOTATIONS.end]);

const identityOf = ({ key, generation, attempt, target }: BuildIdentity): string =>
  canonicalJson({ key, generation, attempt, target });

/** Whether a pod is the very build that is meant, by all that stands in its name and more. */
export const isBuildOf = (pod: V1Pod, identity: BuildIdentity): boolean => {
  const record = recordOf(pod);
  return record !== undefined && identityOf(record) === identityOf(identity);
};

const GENERATION_DIGITS = 6;

/** The generation after this one, in the spelling that sorts by age. */
export const generationAfter = (generation: string | undefined): string =>
  String(Number(generation ?? '0') + 1).padStart(GENERATION_DIGITS, '0');
