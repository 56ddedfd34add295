/** Fields that the API's types hold as times; on the wire they are text. */
const TIMES: ReadonlySet<string> = new Set([
  'creationTimestamp',
  'deletionTimestamp',
  'startTime',
  'startedAt',
  'finishedAt',
  'lastTransitionTime',
  'lastProbeTime',
  'firstTimestamp',
  'lastTimestamp',
  'lastObservedTime',
  'eventTime',
  'acquireTime',
  'renewTime',
]);

/** Fields whose times have six digits after the second, and are refused with fewer. */
const MICRO_TIMES: ReadonlySet<string> = new Set(['eventTime', 'lastObservedTime', 'acquireTime', 'renewTime']);

/** Maps with keys of their owner's choice: nothing in them is a field of the API. */
const OPAQUE: ReadonlySet<string> = new Set([
  'annotations',
  'labels',
  'matchLabels',
  'nodeSelector',
  'data',
  'stringData',
]);

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/**
 * Makes what the API sent into what its types say: times become Dates, in place. Who manages which field is dropped, as it
 * is half of a pod's bytes and nothing here asks for it.
 */
export const decodeObject = <T>(value: T): T => {
  if (!isRecord(value)) return value;
  for (const [key, field] of Object.entries(value)) {
    if (key === 'managedFields') delete value[key];
    else if (typeof field === 'string' && TIMES.has(key)) {
      const at = new Date(field);
      if (!Number.isNaN(at.getTime())) (value as Record<string, unknown>)[key] = at;
    } else if (isRecord(field) && !OPAQUE.has(key)) decodeObject(field);
  }
  return value;
};

/** An object as the API takes it. */
export const encodeObject = (object: unknown): string =>
  JSON.stringify(object, function (this: Record<string, unknown>, key, value: unknown) {
    const given = this[key];
    return given instanceof Date && MICRO_TIMES.has(key) ? given.toISOString().replace('Z', '000Z') : value;
  });
