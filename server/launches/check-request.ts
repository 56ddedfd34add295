import { parseRepoSpec, type LaunchRequest } from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';
import type { CheckedRequest } from './launch-run.ts';

const DEFAULT_KERNEL = 'python3';
const DEFAULT_PROFILE = 'default';

const KERNEL = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const PROFILE = /^[A-Za-z0-9][A-Za-z0-9_-]{0,31}$/;
// oxlint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f\\]/;
const MAX_PATH_LENGTH = 1_024;

const checkPath = (path: string): string => {
  const plain = path.replace(/^\/+/, '');
  const bad = plain.length > MAX_PATH_LENGTH || UNPRINTABLE.test(plain) || plain.split('/').includes('..');
  if (bad)
    throw new HubError(
      'bad_spec',
      `${JSON.stringify(path.slice(0, 80))} is no path of a notebook; give one relative to the repository, without "..".`,
    );
  return plain;
};

/** Checks what a launch asks for. Throws RepoSpecError or HubError, both `bad_spec`. */
export const checkRequest = (request: LaunchRequest): CheckedRequest => {
  const { kernel = DEFAULT_KERNEL, profile = DEFAULT_PROFILE, path = '' } = request;
  if (!KERNEL.test(kernel))
    throw new HubError(
      'bad_spec',
      `${JSON.stringify(kernel.slice(0, 80))} is no name of a kernel; use letters, digits, ".", "_" and "-", or "none".`,
    );
  if (!PROFILE.test(profile))
    throw new HubError('bad_spec', `${JSON.stringify(profile.slice(0, 80))} is no name of a profile.`);
  return { spec: parseRepoSpec(request.spec), kernel, path: checkPath(path), profile };
};

/** What makes two requests the same, beside their `Idempotency-Key`. */
export const fingerprintOf = ({ spec, kernel, path, profile }: CheckedRequest): string =>
  JSON.stringify([spec.provider, spec.repo, spec.ref, kernel, path, profile]);
