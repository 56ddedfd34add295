import { defineElements } from './define-elements.ts';
import { define } from './define-tag.ts';
import { LiveLaunch } from './elements/live-launch.ts';
import { LiveStatus } from './elements/live-status.ts';

defineElements();
define('live-status', LiveStatus);
define('live-launch', LiveLaunch);
