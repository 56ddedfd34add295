// `node images/build.mjs`: builds the images with the container engine that is at hand, and pushes them where told.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureBuilt, ensureDependencies, fail, requireNode, root, say } from '../scripts/prepare.mjs';
import { ENGINES, findEngine, runEngine } from './engine.mjs';
import { withNetworkSecrets } from './network-secrets.mjs';

/** `prepare` makes what the Dockerfile copies. */
const IMAGES = {
  session: { what: 'what sessions and builds run in', prepare: () => undefined },
  hub: {
    what: 'the hub for a cluster',
    prepare: () => {
      ensureDependencies();
      ensureBuilt();
    },
  },
};

const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

const HELP = `Usage: node images/build.mjs [image ...] [options] [-- arguments of the engine's build]

Builds the images, both unless one is named, and prints their names:
${Object.entries(IMAGES)
  .map(([name, { what }]) => `  ${name.padEnd(10)}${what}`)
  .join('\n')}

  --base <image>=<reference>   what to build on; default: what images/<image>/Dockerfile names
  --build-arg <name>=<value>   another build argument of the Dockerfiles
  --tag <tag>                  default ${version}
  --push <registry>            push to a registry, such as registry.example.org/team
  --allow-http                 registries may be reached without TLS
  --engine <name>              ${Object.keys(ENGINES).join(', ')}; default: the first that answers

Packages come from where this machine's own pip and npm take them; nothing of those settings stays in an image.
`;

const OPTIONS = {
  base: { type: 'string', multiple: true, default: [] },
  'build-arg': { type: 'string', multiple: true, default: [] },
  tag: { type: 'string', default: version },
  push: { type: 'string' },
  'allow-http': { type: 'boolean', default: false },
  engine: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
};

const oneOf = (table, name, what) => {
  if (!(name in table)) fail(`There is no ${what} "${name}"; there are ${Object.keys(table).join(', ')}.`);
  return name;
};

/** `name=value` as a pair. */
const pair = (text, option) => {
  const [, name, value] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined) fail(`--${option} was "${text}"; it is a name, "=" and a value.`);
  return [name, value];
};

const readArguments = () => {
  const given = process.argv.slice(2);
  const end = given.includes('--') ? given.indexOf('--') : given.length;
  try {
    const { values, positionals } = parseArgs({ args: given.slice(0, end), options: OPTIONS, allowPositionals: true });
    return { ...values, images: positionals, rest: given.slice(end + 1) };
  } catch (error) {
    return fail(`${error.message}\nRun \`node images/build.mjs --help\` for what there is.`);
  }
};

const chooseEngine = (wanted) => {
  if (wanted !== undefined) oneOf(ENGINES, wanted, 'engine');
  const names = Object.keys(ENGINES).join(', ');
  return (
    findEngine(wanted) ??
    fail(
      wanted === undefined
        ? `No container engine answers here; install one of ${names} and start it.`
        : `${wanted} does not answer here; \`${wanted} info\` says why.`,
    )
  );
};

const args = readArguments();
if (args.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
requireNode();
const images = args.images.length === 0 ? Object.keys(IMAGES) : args.images;
for (const image of images) oneOf(IMAGES, image, 'image');
const bases = new Map(args.base.map((text) => pair(text, 'base')));
for (const image of bases.keys()) oneOf(IMAGES, image, 'image');
for (const text of args['build-arg']) pair(text, 'build-arg');
const engine = chooseEngine(args.engine);
const http = args['allow-http'] ? engine.http : [];

const build = (image, reference, secrets, buildArguments) =>
  runEngine(engine, [
    ...engine.build,
    ...http,
    // A package index may be one that only this machine reaches.
    '--network=host',
    ...buildArguments.flatMap((argument) => ['--build-arg', argument]),
    ...secrets.flatMap(({ id, path }) => ['--secret', `id=${id},src=${path}`]),
    ...args.rest,
    '--file',
    join('images', image, 'Dockerfile'),
    '--tag',
    reference,
    '.',
  ]);

/** What the session's Dockerfile says where its base has another Python than it was told. */
const OTHER_PYTHON = /build with --build-arg (PYTHON=\d+\.\d+\.\d+\S*)\.\n/;

for (const image of images) {
  IMAGES[image].prepare();
  const reference = `${args.push === undefined ? '' : `${args.push}/`}liveleaf-${image}:${args.tag}`;
  const base = bases.get(image);
  const buildArguments = [...args['build-arg'], ...(base === undefined ? [] : [`BASE=${base}`])];
  say(`Building ${reference} with ${engine.name}.`);
  await withNetworkSecrets(async (secrets) => {
    let built = await build(image, reference, secrets, buildArguments);
    const [, python] = OTHER_PYTHON.exec(built.tail) ?? [];
    if (python !== undefined && !buildArguments.some((argument) => argument.startsWith('PYTHON='))) {
      say(`Once more, with ${python}.`);
      built = await build(image, reference, secrets, [...buildArguments, python]);
    }
    if (!built.ok) fail(`Building ${reference} failed with ${engine.name}; the lines above say why.`);
  });
  if (args.push !== undefined) {
    say(`Pushing ${reference}.`);
    const pushed = await runEngine(engine, ['push', ...http, reference]);
    if (!pushed.ok) fail(`Pushing ${reference} failed with ${engine.name}; the lines above say why.`);
  }
  process.stdout.write(`${reference}\n`);
}
