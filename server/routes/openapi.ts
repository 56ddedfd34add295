import type { FastifySchema } from 'fastify';
import { API_VERSION, ERRORS, PROBLEM_CONTENT_TYPE } from '../../sdk/contract/index.ts';

export interface DescribedRoute {
  readonly method: string;
  readonly url: string;
  readonly schema: FastifySchema;
}

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, { readonly description?: string }>>;
  readonly required?: readonly string[];
}

const PROBLEM = {
  type: 'object',
  required: ['type', 'title', 'status', 'detail', 'code', 'retryable'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'One sentence that says what to do.' },
    code: { type: 'string', enum: Object.keys(ERRORS) },
    retryable: { type: 'boolean' },
    retryAfterMs: { type: 'number' },
    where: { type: 'object' },
  },
};

const parameters = (schema: unknown, where: 'path' | 'query' | 'header') => {
  const { properties = {}, required = [] } = (schema ?? {}) as ObjectSchema;
  return Object.entries(properties).map(([name, value]) => ({
    name,
    in: where,
    required: where === 'path' || required.includes(name),
    schema: value,
    ...(value.description === undefined ? {} : { description: value.description }),
  }));
};

const describe = ({ schema, url }: DescribedRoute) => {
  const { summary } = schema as { summary?: string };
  const response = (schema.response ?? {}) as Record<string, unknown>;
  const statuses = Object.entries(response).map(([status, body]) => [
    status,
    { description: 'Success', content: { 'application/json': { schema: body } } },
  ]);
  const streams = url.endsWith('/events') || url.startsWith('/build/');
  const success =
    statuses.length > 0
      ? Object.fromEntries(statuses)
      : { 200: { description: 'Success', ...(streams ? { content: { 'text/event-stream': {} } } : {}) } };
  return {
    ...(summary === undefined ? {} : { summary }),
    parameters: [
      ...parameters(schema.params, 'path'),
      ...parameters(schema.querystring, 'query'),
      ...parameters(schema.headers, 'header'),
    ],
    ...(schema.body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: schema.body } } } }),
    responses: {
      ...success,
      default: {
        description: 'A failure',
        content: { [PROBLEM_CONTENT_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
      },
    },
  };
};

/** An OpenAPI document of the routes that have schemas. */
export const describeApi = (routes: readonly DescribedRoute[], version: string): object => {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.url.replaceAll(/:([A-Za-z]+)/g, '{$1}').replace('*', '{spec}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describe(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Liveleaf hub',
      version,
      description: `Version ${API_VERSION} of the native API, and BinderHub’s routes.`,
    },
    paths,
    components: {
      schemas: { Problem: PROBLEM },
      securitySchemes: { launch: { type: 'http', scheme: 'bearer', description: 'The launch token.' } },
    },
  };
};
