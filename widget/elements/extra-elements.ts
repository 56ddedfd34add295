export { describeProgress } from '../launch-words.ts';
export { LiveLaunch } from './live-launch.ts';
export { LiveStatus } from './live-status.ts';
