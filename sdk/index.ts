export * from './contract/index.ts';
export * from './connect-kernel.ts';
export * from './errors.ts';
export * from './kernel.ts';
export * from './launch.ts';
export { SavedServers, type SavedServer, type SavedServerScope } from './saved-server.ts';
export { globalWorld, type World } from './world.ts';
