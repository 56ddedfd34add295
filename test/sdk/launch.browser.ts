import { expect } from 'chai';
import { createLaunch } from '../../sdk/launch.ts';
import { binderhubSuite } from './binderhub.suite.ts';
import { launchSuite } from './launch.suite.ts';
import { fastWorld, rejection } from './tools.suite.ts';

const addresses = (await (await fetch('/test-servers.json')).json()) as Record<string, string>;
const addressOf = (name: string) => addresses[name]!;

launchSuite({ describe, it, after, addressOf }, 13);
binderhubSuite({ describe, it, after, addressOf });

describe('launch, in a page', () => {
  it('tells a hub that does not allow the page from one that is not there', async () => {
    const launch = createLaunch(fastWorld(20));
    const error = await rejection(launch('gh/a/b/HEAD', { hub: `${addressOf('fakeHub')}/closed` }).server);
    expect(error.code).to.equal('blocked');
    expect(error.message).to.contain(location.origin);
  });

  it('says that the device is offline where it is', async () => {
    const launch = createLaunch({ ...fastWorld(50), isOnline: () => false });
    expect((await rejection(launch('gh/a/b/HEAD', { hub: 'http://127.0.0.1:9' }).server)).code).to.equal('offline');
  });

  it('does not ask a hub on http from a page on https', async () => {
    const launch = createLaunch({ ...fastWorld(50), pageOrigin: () => 'https://docs.example.org' });
    const error = await rejection(launch('gh/a/b/HEAD', { hub: 'http://hub.example.org' }).server);
    expect(error.code).to.equal('blocked');
  });
});
