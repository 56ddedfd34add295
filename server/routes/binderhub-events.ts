import { ERRORS, isLogPhase, type FailedEvent, type LaunchEvent } from '../../sdk/contract/index.ts';
import { binderRequests } from '../launches/binder-variables.ts';
import type { LaunchRun } from '../launches/launch-run.ts';

/** BinderHub's clients write messages to a terminal as they are, so that each brings its own end of line. */
const line = (message: string): string => (/[\r\n]$/.test(message) ? message : `${message}\n`);

/** BinderHub's sentence where people search for it, then ours. */
const failure = ({ code, message }: FailedEvent, { spec }: LaunchRun): string => {
  if (code !== 'repo_not_found' && code !== 'ref_not_found') return message;
  const [prefix, ...rest] = spec.split('/');
  return `Could not resolve ref for ${prefix}:${rest.join('/')}. Double check your URL and that your repo is public. ${message}`;
};

const addedFields = (event: LaunchEvent, run: LaunchRun, hubUrl: string): Record<string, unknown> => {
  if (event.phase === 'waiting') {
    const place = event.position === undefined ? '' : ` (place ${event.position} in the queue)`;
    return { launch: run.id, message: line(`${event.message ?? 'Waiting for the launch to start...'}${place}`) };
  }
  if (isLogPhase(event.phase)) return { message: line((event as { message: string }).message) };
  if (event.phase === 'built')
    return {
      imageName: event.environment,
      message: event.cached ? 'Found built image, launching...\n' : 'Built image, launching...\n',
    };
  if (event.phase === 'failed')
    return { message: line(failure(event, run)), status_code: ERRORS[event.code].status ?? 500 };
  if (event.phase !== 'ready' || run.record === undefined) return {};
  const { request, persistentRequest } = binderRequests(run.record);
  return {
    message: `server running at ${event.url}\n`,
    image: run.record.environment.key,
    repo_url: run.record.repoUrl,
    binder_ref_url: run.record.refUrl,
    binder_launch_host: hubUrl,
    binder_request: request,
    binder_persistent_request: persistentRequest,
  };
};

/** An event of ours with the fields and spellings that BinderHub's clients read. */
export const toBinderHub = (event: LaunchEvent, run: LaunchRun, hubUrl: string): Record<string, unknown> => ({
  ...event,
  ...addedFields(event, run, hubUrl),
});
