import { kernelSuite } from './kernel.suite.ts';

const addresses = (await (await fetch('/test-servers.json')).json()) as Record<string, string>;

kernelSuite({ describe, it, after, addressOf: (name) => addresses[name]! });
