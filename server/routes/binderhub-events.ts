import { ERRORS, isLogPhase, type FailedEvent, type LaunchEvent } from '../../sdk/contract/index.ts';
import { binderRequests } from '../launches/binder-variables.ts';
import type { Addresses } from '../config/addresses.ts';
import type { LaunchRun } from '../launches/launch-run.ts';

/** Which launch is told of, and to whom. */
interface Told {
  readonly run: LaunchRun;
  readonly addresses: Pick<Addresses, 'hub' | 'sessionHostSuffix'>;
  /** The page's, when it is a page. */
  readonly origin: string | undefined;
}

/** BinderHub's clients write messages to a terminal as they are, so that each brings its own end of line. */
const line = (message: string): string => (/[\r\n]$/.test(message) ? message : `${message}\n`);

/** BinderHub's sentence where people search for it, then ours. */
const failure = ({ code, message }: FailedEvent, { spec }: LaunchRun): string => {
  if (code !== 'repo_not_found' && code !== 'ref_not_found') return message;
  const [prefix, ...rest] = spec.split('/');
  return `Could not resolve ref for ${prefix}:${rest.join('/')}. Double check your URL and that your repo is public. ${message}`;
};

const OTHER_NAMES: Readonly<Record<string, string>> = { '127.0.0.1': 'localhost', localhost: '127.0.0.1' };

/**
 * A session's address for a page of `origin`. To a host of the page's own name, whatever the port, Jupyter's clients send
 * no token with a socket and count on Jupyter's own cookie; we set none, so the page gets this machine's other name.
 */
const addressFor = (url: string, origin: string | undefined, sessionHostSuffix: string | undefined): string => {
  const address = new URL(url);
  const other = OTHER_NAMES[address.hostname];
  if (other === undefined || sessionHostSuffix !== `localhost:${address.port}`) return url;
  if (origin === undefined || !URL.canParse(origin) || new URL(origin).hostname !== address.hostname) return url;
  address.hostname = other;
  return address.href;
};

const addedFields = (event: LaunchEvent, { run, addresses, origin }: Told): Record<string, unknown> => {
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
  const url = addressFor(event.url, origin, addresses.sessionHostSuffix);
  return {
    url,
    message: `server running at ${url}\n`,
    image: run.record.environment.key,
    repo_url: run.record.repoUrl,
    binder_ref_url: run.record.refUrl,
    binder_launch_host: addresses.hub,
    binder_request: request,
    binder_persistent_request: persistentRequest,
  };
};

/** An event of ours with the fields and spellings that BinderHub's clients read. */
export const toBinderHub = (event: LaunchEvent, told: Told): Record<string, unknown> => ({
  ...event,
  ...addedFields(event, told),
});
