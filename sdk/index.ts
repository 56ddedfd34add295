export * from './contract/index.ts';
export * from './connect-kernel.ts';
export * from './errors.ts';
export * from './kernel.ts';
export * from './launch.ts';
export { globalWorld, type World } from './world.ts';
