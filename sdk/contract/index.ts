export * from './errors.ts';
export * from './events.ts';
export * from './launches.ts';
export * from './paths.ts';
export * from './phases.ts';
export * from './repo-spec.ts';
