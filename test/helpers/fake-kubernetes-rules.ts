import { isDeepStrictEqual } from 'node:util';
import type { PatchStep, V1Pod } from '../../server/kubernetes/kubernetes-api.ts';
import { KubernetesError } from '../../server/kubernetes/kubernetes-error.ts';

type Node = Record<string, unknown>;

const invalid = (message: string) => new KubernetesError(422, 'Invalid', message);

const unescape = (part: string) => part.replaceAll('~1', '/').replaceAll('~0', '~');

/** Applies a JSON patch (RFC 6902: add, remove, replace, test) to a copy; throws the API's 422. */
const applySteps = (target: object, steps: readonly PatchStep[]): object => {
  const copy = structuredClone(target) as Node;
  for (const { op, path, value } of steps) {
    const parts = path.split('/').slice(1).map(unescape);
    const last = parts.pop();
    if (last === undefined) throw invalid(`the path ${path} names the whole document`);
    let parent: unknown = copy;
    for (const part of parts) parent = (parent as Node | undefined)?.[part];
    if (typeof parent !== 'object' || parent === null) throw invalid(`${op} operation does not apply: no ${path}`);
    const holder = parent as Node;
    const exists = Object.hasOwn(holder, last);
    if (op === 'test') {
      if (!isDeepStrictEqual(holder[last], value)) throw invalid(`testing value ${path} failed: test failed`);
    } else if (op === 'add') {
      if (Array.isArray(holder)) holder.splice(last === '-' ? holder.length : Number(last), 0, structuredClone(value));
      else holder[last] = structuredClone(value);
    } else if (!exists) throw invalid(`${op} operation does not apply: doc is missing path: ${path}`);
    else if (op === 'replace') holder[last] = structuredClone(value);
    else if (Array.isArray(holder)) holder.splice(Number(last), 1);
    else delete holder[last];
  }
  return copy;
};

/** Applies a merge patch (RFC 7386) to a copy. */
const merge = (target: unknown, patch: unknown): unknown => {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return structuredClone(patch);
  const result: Node =
    typeof target === 'object' && target !== null && !Array.isArray(target) ? { ...(target as Node) } : {};
  for (const [key, value] of Object.entries(patch))
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  return result;
};

/** A pod after a patch. Throws 422 where the patch does not apply, 409 where it names a stale resource version. */
export const patched = (pod: V1Pod, patch: object | readonly PatchStep[]): V1Pod => {
  const next = (Array.isArray(patch) ? applySteps(pod, patch as PatchStep[]) : merge(pod, patch)) as V1Pod;
  if (next.metadata?.resourceVersion !== pod.metadata?.resourceVersion)
    throw new KubernetesError(
      409,
      'Conflict',
      'the object has been modified; apply your changes to the latest version',
    );
  return next;
};

const frozenSpec = (pod: V1Pod): unknown => {
  const spec = structuredClone(pod.spec) as unknown as Node;
  delete spec['schedulingGates'];
  delete spec['activeDeadlineSeconds'];
  for (const kind of ['containers', 'initContainers']) {
    const containers = spec[kind];
    if (Array.isArray(containers)) for (const container of containers) delete (container as Node)['image'];
  }
  return spec;
};

/** Throws the API's 422 where a change touches what is fixed when a pod is created. */
export const checkPodUpdate = (before: V1Pod, after: V1Pod): void => {
  const gates = (pod: V1Pod) => (pod.spec?.schedulingGates ?? []).map(({ name }) => name);
  const added = gates(after).filter((gate) => !gates(before).includes(gate));
  if (added.length > 0) throw invalid('spec.schedulingGates: only deletion is allowed');
  if (!isDeepStrictEqual(frozenSpec(before), frozenSpec(after)))
    throw invalid(
      'Pod is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`, `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`',
    );
};

/** Labels of a selector such as `a=b,c!=d,e,!f,g in (h, i)`. */
export const matchesSelector = (labels: Readonly<Record<string, string>> = {}, selector: string): boolean => {
  const terms = selector.match(/[^,()]+(?:\([^)]*\))?/g) ?? [];
  return terms.every((text) => {
    const term = text.trim();
    const among = /^(\S+)\s+(in|notin)\s*\(([^)]*)\)$/.exec(term);
    if (among) {
      const values = (among[3] ?? '').split(',').map((value) => value.trim());
      return values.includes(labels[among[1] ?? ''] ?? '\0') === (among[2] === 'in');
    }
    if (term.startsWith('!')) return labels[term.slice(1)] === undefined;
    const comparison = /^([^!=]+)(!=|==?)(.*)$/.exec(term);
    if (!comparison) return labels[term] !== undefined;
    const [, key = '', sign, value] = comparison;
    return (labels[key] === value) === (sign !== '!=');
  });
};

const DNS_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const LABEL_KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;

/** Throws the API's 422 for names and labels that it does not take. */
export const checkNames = (pod: V1Pod): void => {
  const { name = '', labels = {} } = pod.metadata ?? {};
  if (!DNS_NAME.test(name)) throw invalid(`metadata.name: Invalid value: ${JSON.stringify(name)}`);
  for (const [key, value] of Object.entries(labels))
    if (!LABEL_KEY.test(key) || !LABEL_VALUE.test(value))
      throw invalid(`metadata.labels: Invalid value: ${JSON.stringify(`${key}=${value}`)}`);
};
