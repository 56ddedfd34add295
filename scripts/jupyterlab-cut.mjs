import { join } from 'node:path';

const folder = join(import.meta.dirname, '..', 'sdk', 'jupyterlab-cut');
const SERVICES = /[\\/]@jupyterlab[\\/]services[\\/]lib[\\/]/;

/** What files of @jupyterlab/services import, and the small module of ours that stands in for it. */
const STAND_INS = new Map([
  ['..', 'services-index.ts'],
  ['../kernelspec/restapi', 'kernelspec-restapi.ts'],
  ['../serverconnection', 'serverconnection.ts'],
  ['./comm', 'kernel-comm.ts'],
  ['./future', 'kernel-future.ts'],
  ['./restapi', 'kernel-restapi.ts'],
  ['./validate', 'kernel-validate.ts'],
  ['@jupyterlab/coreutils', 'jupyterlab-coreutils.ts'],
  ['@lumino/coreutils', 'lumino-coreutils.ts'],
  ['@lumino/signaling', 'lumino-signaling.ts'],
]);

/** What our own file imports of it. */
const SERVER_CONNECTION = '@jupyterlab/services/lib/serverconnection.js';

/** The stand-in's path, or undefined where the import is to be resolved as usual. */
const standIn = (source, importer) => {
  if (source === SERVER_CONNECTION) return join(folder, 'serverconnection.ts');
  const name = STAND_INS.get(source);
  return name && importer && SERVICES.test(importer) ? join(folder, name) : undefined;
};

/**
 * Cuts @jupyterlab/services to its kernel connection, as a plugin for rollup and for esbuild: 36 KB become 8.
 * Lost by it: managers, polling, sessions, contents, terminals, settings read from the page, and what the SDK does
 * itself instead: requests, comms, hooks of futures, the validation of messages.
 */
export const jupyterlabCut = {
  rollup: () => ({
    name: 'jupyterlab-cut',
    resolveId: {
      order: 'pre',
      handler: (source, importer) => standIn(source.replace(/^\0|\?.*$/g, ''), importer),
    },
  }),
  esbuild: () => ({
    name: 'jupyterlab-cut',
    setup: (build) => {
      build.onResolve({ filter: /^(\.\.?(\/|$)|@jupyterlab\/|@lumino\/)/ }, ({ path, importer }) => {
        const found = standIn(path, importer);
        return found ? { path: found } : undefined;
      });
    },
  }),
};
