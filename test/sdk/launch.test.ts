import { after, before, describe, it } from 'node:test';
import { startTestServers } from '../helpers/browser-test-servers.ts';
import { binderhubSuite } from './binderhub.suite.ts';
import { launchSuite } from './launch.suite.ts';

let servers: Awaited<ReturnType<typeof startTestServers>>;
before(async () => {
  servers = await startTestServers();
});
after(() => servers.close());

const tools = { describe, it, after, addressOf: (name: string) => servers.addresses[name]! };
launchSuite(tools, 1);
binderhubSuite(tools);
