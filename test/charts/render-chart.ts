import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { ensureHelm } from '../../scripts/install-helm.mjs';

export const CHART = join(import.meta.dirname, '..', '..', 'charts', 'liveleaf');

/** The sets of values that the chart is tried with. */
export const VALUES = ['minimal', 'ingress', 'one-hostname', 'gateway', 'existing', 'in-cluster-registry'] as const;

export const valuesFile = (name: (typeof VALUES)[number]): string =>
  join(import.meta.dirname, 'values', `${name}.yaml`);

/** An object as it goes to the cluster. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- what stands here differs from kind to kind
  readonly [field: string]: any;
}

let program: string | undefined;

/** The path of Helm, which is fetched where there is none. */
export const helmPath = (): string => (program ??= ensureHelm());

/** Runs Helm to its end. */
export const helm = (args: readonly string[]): { status: number | null; stdout: string; stderr: string } => {
  const { status, stdout, stderr } = spawnSync(helmPath(), args, { encoding: 'utf8', maxBuffer: 16 * 1024 * 1024 });
  return { status, stdout, stderr };
};

const manifestsOf = (yaml: string): Manifest[] =>
  parseAllDocuments(yaml).flatMap((document) => {
    const object = document.toJS() as Manifest | null;
    return object === null ? [] : [object];
  });

/** Every object that the chart makes of values for a release in the namespace `hub`. Throws what Helm says. */
export const renderChart = (args: readonly string[], release = 'liveleaf'): Manifest[] => {
  const { status, stdout, stderr } = helm(['template', release, CHART, '--namespace', 'hub', ...args]);
  if (status !== 0) throw new Error(stderr);
  return manifestsOf(stdout);
};

/** The one object of a kind; `name` where there are several. Throws where there is none, or more than one. */
export const only = (manifests: readonly Manifest[], kind: string, namespace?: string, name?: string): Manifest => {
  const found = manifests.filter(
    (each) =>
      each.kind === kind &&
      (namespace === undefined || each.metadata.namespace === namespace) &&
      (name === undefined || each.metadata.name === name),
  );
  if (found.length !== 1) throw new Error(`There are ${found.length} of ${kind} ${namespace ?? ''} ${name ?? ''}.`);
  return found[0]!;
};
