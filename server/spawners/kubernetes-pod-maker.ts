import type { Clock } from '../clock.ts';
import type { V1Pod } from '../kubernetes/kubernetes-api.ts';
import { ANNOTATIONS, LABELS } from './kubernetes-session-name.ts';
import {
  profileFor,
  sessionPod,
  sha256,
  sizeOf,
  type SessionPodRequest,
  type SessionPodSettings,
} from './kubernetes-session-pod.ts';
import type { UpstreamTokens } from './kubernetes-session-pods.ts';
import { recordMetadata, type AskedSession } from './kubernetes-session-record.ts';
import { WARM_STARTING, type WarmWish } from './kubernetes-warm-pool.ts';
import type { SessionSeed } from './spawner.ts';

export interface PodMakerOptions {
  readonly settings: SessionPodSettings;
  readonly tokens: UpstreamTokens;
  readonly variables: (seed: SessionSeed) => Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly deadlineMs: number;
}

/** Where an image has its environment. */
const PREFIX = '/srv/env';

/** Makes the pods of this hub's sessions, as data. */
export const createPodMaker = ({ settings, tokens, variables, clock, deadlineMs }: PodMakerOptions) => {
  const make = (
    name: string,
    more: Omit<SessionPodRequest, 'name' | 'tokenSha256' | 'tokenKey' | 'deadlineMs'>,
  ): V1Pod => {
    const token = tokens.of(name, tokens.keyId);
    if (token === undefined) throw new TypeError(`There is no key ${tokens.keyId} to make a token with.`);
    return sessionPod({ ...more, name, tokenSha256: sha256(token), tokenKey: tokens.keyId, deadlineMs }, settings);
  };

  return {
    /** The size that a launch's session has. */
    profileOf: (seed: SessionSeed): string => profileFor(seed, settings),

    /** What sessions may do, in a sentence. */
    describe(namespace: string): string {
      const { cpu, memory, ephemeralStorage } = sizeOf('default', settings).limits;
      const runtime = settings.runtimeClass === undefined ? '' : ` and run under ${settings.runtimeClass}`;
      return `Sessions are pods of the namespace ${namespace} without privileges; each has at most ${cpu} CPU, ${memory} of memory and ${ephemeralStorage} of disk${runtime}.`;
    },

    /** A pod that waits behind its gate. Throws HubError `bad_spec` or `unsupported_environment`. */
    reserved(asked: AskedSession): V1Pod {
      const [major, minor] = asked.environment.plan.python.split('.');
      return make(asked.name, {
        ...recordMetadata(asked),
        size: sizeOf(profileFor(asked, settings), settings),
        kernel:
          asked.kernel === 'none'
            ? null
            : {
                prefix: PREFIX,
                python: `${PREFIX}/bin/python`,
                displayName: `Python ${major}.${minor}`,
                path: asked.path,
                variables: variables(asked),
              },
      });
    },

    /** A pod that starts at once, for whoever claims it. Throws TypeError for an environment without an image. */
    warm(name: string, { environment, profile }: WarmWish): V1Pod {
      const { key, image, prefix, python, displayName } = environment;
      if (image === undefined) throw new TypeError(`The environment ${key} has no image.`);
      return make(name, {
        image,
        size: sizeOf(profile, settings),
        kernel: { prefix, python, displayName, path: '', variables: {} },
        labels: { [LABELS.warm]: WARM_STARTING, [LABELS.key]: key },
        annotations: { [ANNOTATIONS.opened]: JSON.stringify({ at: clock.now(), environment }) },
      });
    },
  };
};
