import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '..');

/** Which rooms a room's files may import from; a file that lies directly in a part belongs to the room named after the part. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'sdk/contract': [],
  'sdk/jupyterlab-cut': ['sdk'],
  sdk: ['sdk/contract', 'sdk/jupyterlab-cut'],

  'widget/outputs': ['sdk', 'sdk/contract'],
  'widget/editor': ['widget/outputs'],
  // What it knows of the coordinator are its types.
  'widget/page': ['sdk', 'sdk/contract', 'widget', 'widget/elements'],
  'widget/elements': ['widget', 'widget/page', 'widget/outputs', 'widget/editor', 'sdk', 'sdk/contract'],
  widget: ['widget/page', 'widget/outputs', 'widget/editor', 'widget/elements', 'sdk', 'sdk/contract'],

  // The server's small common ground: errors, clock, log, metrics, the Python side.
  'server/common': ['sdk/contract', 'server/processes'],
  'server/state': [],
  'server/processes': ['server/common'],
  'server/network': ['sdk/contract', 'server/common'],
  'server/kubernetes': ['sdk/contract', 'server/common', 'server/network'],
  'server/registry': ['sdk/contract', 'server/common', 'server/network'],
  'server/content': ['sdk/contract', 'server/common', 'server/network', 'server/state', 'server/processes'],
  'server/providers': ['sdk/contract', 'server/common', 'server/network', 'server/content'],
  'server/environments': ['sdk/contract', 'server/common', 'server/content', 'server/processes'],
  'server/builders': [
    'sdk/contract',
    'server/common',
    'server/content',
    'server/environments',
    'server/processes',
    'server/state',
    'server/kubernetes',
    'server/registry',
  ],
  'server/spawners': [
    'sdk/contract',
    'server/common',
    'server/content',
    'server/environments',
    'server/builders',
    'server/processes',
    'server/state',
    'server/kubernetes',
  ],
  'server/sessions': ['sdk/contract', 'server/common', 'server/spawners', 'server/proxy'],
  'server/proxy': ['sdk/contract', 'server/common', 'server/spawners', 'server/sessions'],
  'server/sse': ['sdk/contract', 'server/common'],
  'server/launches': [
    'sdk/contract',
    'server/common',
    'server/providers',
    'server/content',
    'server/environments',
    'server/builders',
    'server/spawners',
    'server/sse',
    'server/sessions',
  ],
  'server/config': ['sdk/contract', 'server/common'],
  'server/pages': ['sdk/contract', 'server/common'],
  'server/routes': [
    'sdk/contract',
    'server/common',
    'server/config',
    'server/launches',
    'server/pages',
    'server/sse',
    'server/providers',
    'server/builders',
    'server/spawners',
    'server/sessions',
    'server/proxy',
  ],
};

/** The composition root and the process: they alone may import everything of the server. */
const COMPOSITION = [
  'server/app.ts',
  'server/main.ts',
  'server/index.ts',
  'server/parts.ts',
  'server/kubernetes-parts.ts',
  'server/backend.ts',
  'server/sources.ts',
];
const COMMON = /^server\/[a-z-]+\.ts$/;

/** Packages that one room alone may import. */
const ONLY: Readonly<Record<string, RegExp>> = {
  '@jupyterlab/services': /^sdk(\/jupyterlab-cut)?$/,
  '@kubernetes/client-node': /^server\/kubernetes$/,
};

const filesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory()
      ? filesBelow(`${folder}/${entry.name}`)
      : entry.name.endsWith('.ts')
        ? [`${folder}/${entry.name}`]
        : [],
  );

const roomOf = (file: string): string => {
  if (COMMON.test(file)) return 'server/common';
  const [part = '', room] = file.split('/');
  const folder = `${part}/${room}`;
  return folder.endsWith('.ts') ? part : folder;
};

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\s+(type\s)?[^'";]*?from\s+'([^']+)'|(?:^|\n)\s*import\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/g;

interface Import {
  readonly target: string;
  readonly typeOnly: boolean;
}

const importsOf = (file: string): Import[] =>
  [...readFileSync(join(root, file), 'utf8').matchAll(IMPORT)].map((match) => {
    const specifier = match[2] ?? match[3] ?? match[4] ?? '';
    return {
      target: specifier.startsWith('.') ? normalize(join(dirname(file), specifier)) : specifier,
      typeOnly: match[1] !== undefined,
    };
  });

const files = ['sdk', 'widget', 'server'].flatMap(filesBelow);
const graph = new Map(files.map((file) => [file, importsOf(file)]));

describe('the layers', () => {
  it('import only what their room allows', () => {
    const broken: string[] = [];
    for (const [file, imports] of graph) {
      if (COMPOSITION.includes(file)) continue;
      const room = roomOf(file);
      const allowed = MAY_IMPORT[room];
      assert.ok(allowed, `${file} lies in a room that the table does not know: ${room}`);
      for (const { target } of imports) {
        if (!target.endsWith('.ts')) continue;
        const other = roomOf(target);
        if (other !== room && !allowed.includes(other)) broken.push(`${file} imports ${target}`);
      }
    }
    assert.deepEqual(broken, []);
  });

  it('leave some packages to one room', () => {
    const broken = [...graph].flatMap(([file, imports]) =>
      imports
        .filter(({ target }) =>
          Object.entries(ONLY).some(
            ([name, room]) => (target === name || target.startsWith(`${name}/`)) && !room.test(roomOf(file)),
          ),
        )
        .map(({ target }) => `${file} imports ${target}`),
    );
    assert.deepEqual(broken, []);
  });

  it('hold no cycle, be it through an import on demand; types alone may know each other', () => {
    const state = new Map<string, 'open' | 'done'>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === 'done') return;
      if (state.get(file) === 'open') {
        cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
        return;
      }
      state.set(file, 'open');
      for (const { target, typeOnly } of graph.get(file) ?? [])
        if (!typeOnly && graph.has(target)) visit(target, [...path, file]);
      state.set(file, 'done');
    };
    for (const file of files) visit(file, []);
    assert.deepEqual(cycles, []);
  });

  it('keep files short enough to read at once', () => {
    const long = files.filter((file) => readFileSync(join(root, file), 'utf8').split('\n').length > 301);
    assert.deepEqual(long, []);
  });
});
