import { parseRepoSpec, type LaunchRequest } from '../../sdk/contract/index.ts';
import { HubError } from '../errors.ts';
import type { CheckedRequest } from './launch-run.ts';

const DEFAULT_KERNEL = 'python3';
const DEFAULT_PROFILE = 'default';

/** Names under which pages ask for the environment's Python, and `none` for no kernel at all. */
const KERNEL = /^(?:python(?:3(?:\.\d{1,2})?)?|none)$/;
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

const show = (name: string): string => JSON.stringify(name.slice(0, 80));

/** Checks what a launch asks for. Throws RepoSpecError, or HubError `bad_spec` or `unsupported_environment`. */
export const checkRequest = (request: LaunchRequest): CheckedRequest => {
  const { kernel = DEFAULT_KERNEL, profile = DEFAULT_PROFILE, path = '' } = request;
  if (!KERNEL.test(kernel))
    throw new HubError(
      'unsupported_environment',
      `This hub starts Python kernels, and ${show(kernel)} names none; use "python3", or "none" for no kernel.`,
    );
  if (profile !== DEFAULT_PROFILE)
    throw new HubError('bad_spec', `This hub has no profile ${show(profile)}; leave it out, or use "default".`);
  return { spec: parseRepoSpec(request.spec), kernel, path: checkPath(path), profile };
};

/** What makes two requests the same, beside their `Idempotency-Key`. */
export const fingerprintOf = ({ spec, kernel, path, profile }: CheckedRequest): string =>
  JSON.stringify([spec.provider, spec.repo, spec.ref, kernel, path, profile]);
