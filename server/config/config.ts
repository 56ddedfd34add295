import Type, { type Static } from 'typebox';
import { PROVIDERS } from '../../sdk/contract/index.ts';

const MINUTE_MS = 60_000;
const GIB = 1_073_741_824;

const section = <Properties extends Parameters<typeof Type.Object>[0]>(properties: Properties, description: string) =>
  Type.Object(properties, { additionalProperties: false, description });

const text = (description: string, fallback?: string) =>
  Type.String({ description, minLength: 1, ...(fallback === undefined ? {} : { default: fallback }) });

const count = (description: string, fallback: number, minimum = 0) =>
  Type.Integer({ description, default: fallback, minimum });

const list = (description: string, fallback: readonly string[]) =>
  Type.Array(Type.String({ minLength: 1 }), { description, default: [...fallback] });

const hosted = (name: string) =>
  section(
    { host: Type.Optional(text(`The host or origin of another ${name}, such as "code.example.org".`)) },
    `${name}, or a host like it.`,
  );

const quantity = (fallback?: string) =>
  Type.Optional(
    Type.String({
      description: 'A quantity of Kubernetes.',
      pattern: '^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$',
      ...(fallback === undefined ? {} : { default: fallback }),
    }),
  );

const resources = (description: string, fallback: { cpu?: string; memory?: string; ephemeralStorage?: string } = {}) =>
  section(
    {
      cpu: quantity(fallback.cpu),
      memory: quantity(fallback.memory),
      ephemeralStorage: quantity(fallback.ephemeralStorage),
    },
    description,
  );

const profile = section(
  {
    requests: Type.Optional(resources('What such a session asks for.')),
    limits: Type.Optional(resources('What it may take.')),
  },
  'One size of session.',
);

/** Every key of the configuration, with its default and what it means; the same in file, environment and flags. */
export const CONFIG_SCHEMA = section(
  {
    host: text('The address that the hub listens on.', '127.0.0.1'),
    allowRemote: Type.Boolean({
      description:
        'Allow a host other than this machine. Sessions run as your own user: whoever reaches the hub runs what "allow" names.',
      default: false,
    }),
    port: Type.Integer({
      description: 'The port of the hub; sessions are reached on the next one. 0 takes any two free ones.',
      default: 8585,
      minimum: 0,
      maximum: 65_534,
    }),
    publicUrl: Type.Optional(text('The address under which readers reach the hub; default http://<host>:<port>/.')),
    sessionUrl: Type.Optional(
      text('The address under which they reach sessions, on an origin of its own; default http://<host>:<port + 1>/.'),
    ),
    origins: list('Origins whose pages may use the hub, such as "http://localhost:8000"; "*" for all.', []),
    allow: list(
      'Repositories that may run, beside the folders of "dirs": "gh/owner/name", "gh/owner/*"; "*" stands for any characters.',
      [],
    ),
    dirs: Type.Record(Type.String({ pattern: '^[A-Za-z0-9_][A-Za-z0-9_-]{0,62}$' }), Type.String({ minLength: 1 }), {
      description: 'Folders that can be launched as dir/<name>/<path>/HEAD, by name.',
      default: {},
    }),
    stateDir: text('Where environments, sessions and keys are kept.', '.liveleaf'),
    providers: section(
      {
        enabled: list('The kinds of source that are served.', PROVIDERS),
        gh: hosted('GitHub'),
        gl: hosted('GitLab'),
        gist: hosted('GitHub’s gists'),
        checkouts: Type.Record(Type.String({ minLength: 1 }), Type.String({ minLength: 1 }), {
          description:
            'Folders that stand in for the repositories they are working copies of: "gh/owner/name": "<name in dirs>/<path>".',
          default: {},
        }),
      },
      'Where repositories come from.',
    ),
    network: section(
      {
        private: list(
          'Hosts or networks with private addresses that may be fetched from: "git.example.org", "10.1.0.0/16".',
          [],
        ),
      },
      'What may be connected to on a reader’s behalf.',
    ),
    quota: section(
      {
        total: count('Sessions at once; 0 lets nobody in.', 20),
        perRepo: count('Sessions at once of one repository; 0 sets no limit of its own.', 10),
        queue: count('Launches that may wait for a place.', 100),
        queueTimeoutMs: count('How long a launch waits for a place.', MINUTE_MS),
        streams: count('Event streams at once.', 10_000, 1),
        streamsPerAddress: count('Event streams at once from one address other than this machine’s.', 20, 1),
      },
      'How much runs at once.',
    ),
    sessions: section(
      {
        idleTimeoutMs: count('A session without activity ends after this long.', 10 * MINUTE_MS, 1_000),
        maxAgeMs: count('A session ends after this long whatever happens.', 360 * MINUTE_MS, 1_000),
        busyTimeoutMs: count('How long a busy kernel that nobody is connected to counts as activity.', 30 * MINUTE_MS),
        startTimeoutMs: count('How long a session may take to start.', 2 * MINUTE_MS, 1_000),
        abandonAfterMs: count('A launch that nobody watches is stopped after this long; its build goes on.', MINUTE_MS),
        drainMs: count('How long a stopping hub waits for streams that cannot resume.', 0),
        terminals: Type.Boolean({ description: 'Whether sessions offer terminals.', default: false }),
      },
      'The life of a session.',
    ),
    environments: section(
      {
        maxBytes: count('Disk that environments may take; the ones used last stay.', 20 * GIB),
        maxAgeMs: count('Environments unused for this long are removed.', 30 * 1_440 * MINUTE_MS),
        allowedIndexes: list('Package indexes that repositories may name themselves.', []),
        defaultIndex: Type.Optional(
          text('The package index to use; default what uv’s or pip’s own variables name, else the public one.'),
        ),
        extraIndexes: list('Further package indexes, asked first.', []),
        findLinks: list('Folders or pages with packages.', []),
        insecureHosts: list('Index hosts whose certificate is not checked.', []),
      },
      'What environments are made of, and how many are kept.',
    ),
    pool: section(
      {
        servers: count('Started servers that take any environment.', 2),
        sessions: count('Started sessions of environments that were just used.', 1),
        sessionIdleMs: count('How long a warm session waits for its launch.', 10 * MINUTE_MS),
      },
      'What is kept warm.',
    ),
    builder: section(
      {
        timeoutMs: count('How long a build may take.', 60 * MINUTE_MS, 1_000),
        silenceMs: count('How long a build may say nothing.', 10 * MINUTE_MS, 1_000),
        maxBytes: count('Disk that one build may take.', 8 * GIB),
      },
      'How environments are built.',
    ),
    spawner: section(
      {
        isolation: Type.Union([Type.Literal('auto'), Type.Literal('none')], {
          description: 'auto runs sessions in namespaces where this machine gives them; none never does.',
          default: 'auto',
        }),
        memoryBytes: count('Memory that each process of a session may take.', 2 * GIB, 67_108_864),
        openFiles: count('Files that each process of a session may hold open.', 4_096, 64),
        threads: count('Threads for numerics.', 2, 1),
        environmentVariables: list('Variables of the hub that sessions see.', ['LANG', 'LC_ALL', 'LC_CTYPE', 'TZ']),
      },
      'How sessions are run.',
    ),
    backend: Type.Union([Type.Literal('local'), Type.Literal('kubernetes')], {
      description: 'Where environments are built and sessions run: on this machine, or in a cluster.',
      default: 'local',
    }),
    registry: section(
      {
        url: Type.Optional(text('The registry for environments’ images, such as "https://registry.example.org".')),
        prefix: Type.String({ description: 'What its repositories’ names begin with.', default: 'liveleaf/' }),
        credentialsFile: Type.Optional(text('A Docker config.json with credentials for it.')),
        caFile: Type.Optional(text('Certificates of its authority, in PEM.')),
        allowHttp: Type.Boolean({ description: 'Talk to it without TLS.', default: false }),
      },
      'Where images are kept; for Kubernetes.',
    ),
    kubernetes: section(
      {
        kubeconfig: Type.Optional(text('A kubeconfig; default the pod’s own account, else the user’s.')),
        context: Type.Optional(text('Its context; default the current one.')),
        sessionNamespace: text('Where sessions run.', 'liveleaf-sessions'),
        buildNamespace: text('Where environments are built.', 'liveleaf-builds'),
        baseImage: Type.Optional(text('The image that sessions and builds run, by tag or digest.')),
        serviceAccount: text('The account of session and build pods; its token is never mounted.', 'default'),
        priorityClass: Type.Optional(text('The priority class of sessions.')),
        runtimeClass: Type.Optional(text('The runtime class of sessions and builds.')),
        imagePullSecret: Type.Optional(text('A Secret with which nodes pull the images.')),
        pushSecret: Type.Optional(text('A Secret in the namespace of builds whose config.json may push.')),
        canary: Type.Optional(
          text(
            'An address, "host:port", that sessions and builds may not reach; repository code waits for its refusal.',
          ),
        ),
        requests: resources('What a session asks for.', { cpu: '50m', memory: '256Mi' }),
        limits: resources('What a session may take.', { cpu: '1', memory: '1Gi', ephemeralStorage: '4Gi' }),
        profiles: Type.Record(Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,30}$' }), profile, {
          description: 'Other sizes of session, by name.',
          default: {},
        }),
        repositories: Type.Array(
          section(
            {
              match: text('Repositories, such as "gh/owner/*".'),
              profile: text('The profile of their sessions.'),
            },
            'The size of some repositories’ sessions.',
          ),
          { description: 'Sizes by repository; the first that fits counts.', default: [] },
        ),
        build: section(
          {
            requests: resources('What a build asks for.', { cpu: '250m', memory: '512Mi' }),
            limits: resources('What a build may take.', { cpu: '2', memory: '4Gi', ephemeralStorage: '10Gi' }),
          },
          'The size of builds.',
        ),
        egressConfigMaps: list('ConfigMaps of the build namespace whose files and variables builds take.', []),
      },
      'The cluster.',
    ),
    log: section(
      {
        level: Type.Union(
          (['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const).map((level) => Type.Literal(level)),
          { description: 'silent, error, warn, info, debug or trace.', default: 'info' },
        ),
      },
      'What is logged, to standard error.',
    ),
  },
  'Liveleaf’s configuration.',
);

export type Config = Static<typeof CONFIG_SCHEMA>;
