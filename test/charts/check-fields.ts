import * as models from '@kubernetes/client-node';
import Type, { type TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { Manifest } from './render-chart.ts';

interface Field {
  readonly name: string;
  readonly baseName: string;
  readonly type: string;
}

const SCALARS: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
  Date: (value) => typeof value === 'string',
  IntOrString: (value) => typeof value === 'string' || typeof value === 'number',
  any: () => true,
};

/** The fields of one of the client's types, which follow the API's own description; undefined for a type it lacks. */
const fieldsOf = (type: string): readonly Field[] | undefined =>
  (models as unknown as Record<string, { getAttributeTypeMap?(): readonly Field[] } | undefined>)[
    type
  ]?.getAttributeTypeMap?.();

const check = (value: unknown, type: string, path: string): string[] => {
  const isScalar = SCALARS[type];
  if (isScalar) return isScalar(value) ? [] : [`${path} is ${JSON.stringify(value)}, and takes a ${type}`];
  const item = /^Array<(.+)>$/.exec(type)?.[1];
  if (item !== undefined) {
    if (!Array.isArray(value)) return [`${path} is ${JSON.stringify(value)}, and takes a list`];
    return value.flatMap((each, at) => check(each, item, `${path}[${at}]`));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [`${path} is ${JSON.stringify(value)}, and takes an object`];
  const entry = /^\{ \[key: string\]: (.+); \}$/.exec(type)?.[1];
  if (entry !== undefined)
    return Object.entries(value).flatMap(([name, each]) => check(each, entry, `${path}.${name}`));
  const fields = fieldsOf(type);
  if (fields === undefined) return [`${path} is of the type ${type}, which is not known`];
  return Object.entries(value).flatMap(([name, each]) => {
    const field = fields.find(({ baseName }) => baseName === name);
    return field === undefined ? [`${path} has no field ${name}`] : check(each, field.type, `${path}.${name}`);
  });
};

const closed = (properties: Record<string, TSchema>) => Type.Object(properties, { additionalProperties: false });
const dnsName = Type.String({ pattern: '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$', maxLength: 253 });
const port = Type.Integer({ minimum: 1, maximum: 65_535 });
const labels = Type.Record(Type.String(), Type.String());
const objectOf = (apiVersion: string, kind: string, spec: TSchema) =>
  closed({
    apiVersion: Type.Literal(apiVersion),
    kind: Type.Literal(kind),
    metadata: closed({ name: dnsName, namespace: dnsName, labels }),
    spec,
  });

/** Kinds that no cluster has by itself, as far as the chart uses them. */
const CUSTOM_KINDS: Readonly<Record<string, TSchema>> = {
  HTTPRoute: objectOf(
    'gateway.networking.k8s.io/v1',
    'HTTPRoute',
    closed({
      parentRefs: Type.Array(
        closed({
          name: dnsName,
          namespace: Type.Optional(dnsName),
          sectionName: Type.Optional(dnsName),
          port: Type.Optional(port),
        }),
        { minItems: 1, maxItems: 32 },
      ),
      hostnames: Type.Array(
        Type.String({ pattern: '^(\\*\\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$' }),
        { minItems: 1, maxItems: 16 },
      ),
      rules: Type.Array(
        closed({
          matches: Type.Array(
            closed({
              path: closed({
                type: Type.Union([Type.Literal('Exact'), Type.Literal('PathPrefix')]),
                value: Type.String({ pattern: '^/', maxLength: 1_024 }),
              }),
            }),
          ),
          timeouts: closed({ request: Type.String({ pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$' }) }),
          backendRefs: Type.Array(closed({ name: dnsName, port }), { minItems: 1 }),
        }),
        { minItems: 1, maxItems: 16 },
      ),
    }),
  ),
  ServiceMonitor: objectOf(
    'monitoring.coreos.com/v1',
    'ServiceMonitor',
    closed({
      selector: closed({ matchLabels: labels }),
      endpoints: Type.Array(
        closed({
          port: Type.String(),
          path: Type.String({ pattern: '^/' }),
          interval: Type.String({ pattern: '^([0-9]+(ms|s|m))$' }),
        }),
        { minItems: 1 },
      ),
    }),
  ),
};

/** Names every field that the API does not have, and every value of a kind that its field does not take. */
export const checkFields = (manifest: Manifest): string[] => {
  const path = `${manifest.kind}/${manifest.metadata.name}`;
  const custom = CUSTOM_KINDS[manifest.kind];
  if (custom !== undefined)
    return Value.Errors(custom, manifest).map(({ instancePath, message }) => `${path}${instancePath} ${message}`);
  return check(manifest, `V1${manifest.kind}`, path);
};
