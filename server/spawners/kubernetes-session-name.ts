/** What a session's pod is called and how it is found. */
export const LABELS = {
  managedBy: 'app.kubernetes.io/managed-by',
  session: 'liveleaf/session',
  launch: 'liveleaf/launch',
  key: 'liveleaf/key',
  /** On warm sessions that nobody has claimed: whether one can be. */
  warm: 'liveleaf/warm',
} as const;

export const ANNOTATIONS = {
  /** What was asked for: the record without what came of it. */
  record: 'liveleaf/record',
  /** The environment's plan, compressed: a lock file is longer than all else. */
  plan: 'liveleaf/plan',
  /** Which of the hub's keys the upstream token is made with. */
  tokenKey: 'liveleaf/token-key',
  /** Name of the size that the pod has. */
  profile: 'liveleaf/profile',
  /** When the pod was given its image, and which environment that is. */
  opened: 'liveleaf/opened',
  /** That content and kernel are there, and the kernel. */
  ready: 'liveleaf/ready',
  lastActivityAt: 'liveleaf/last-activity',
  expiresAt: 'liveleaf/expires',
  /** Why the launch failed, and when its record may go. */
  failed: 'liveleaf/failed',
} as const;

/** The value of the label `managed-by`. */
export const MANAGER = 'liveleaf';

/** Keeps a pod from being scheduled until its environment exists. */
export const QUEUE_GATE = 'liveleaf/queue';

export const CONTAINER = 'session';
export const SESSION_PORT = 8888;

/** Finds every session's pod, reserved, running, failed or warm. */
export const SESSION_SELECTOR = `${LABELS.managedBy}=${MANAGER},${LABELS.session}`;

/** Finds the pods that carry a launch. */
export const launchSelector = (launchId: string): string => `${SESSION_SELECTOR},${LABELS.launch}=${launchId}`;

const SESSION_NAME = /^[a-z2-7]{26}$/;
const PREFIX = 'session-';

/** Whether a text has the form of a session's name or of a launch's id: 130 bits in lower-case base32. */
export const isSessionName = (text: string): boolean => SESSION_NAME.test(text);

/**
 * The name of a session's pod: always a DNS label of 34 characters, and never that of another session, since it holds the
 * session's name whole. Throws a TypeError for what is no session's name.
 */
export const podNameOf = (session: string): string => {
  if (!isSessionName(session)) throw new TypeError(`${JSON.stringify(session)} is not a session's name`);
  return PREFIX + session;
};

/** The session whose pod has this name; undefined for a name of any other form. */
export const sessionOfPod = (podName: string): string | undefined => {
  const session = podName.startsWith(PREFIX) ? podName.slice(PREFIX.length) : '';
  return isSessionName(session) ? session : undefined;
};
