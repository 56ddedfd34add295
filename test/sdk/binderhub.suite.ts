import { expect } from 'chai';
import { isTerminal, type ReceivedEvent } from '../../sdk/contract/index.ts';
import { createLaunch } from '../../sdk/launch.ts';
import { fastWorld, getJson, readAll, rejection, type SuiteTools } from './tools.suite.ts';

const ends = (events: readonly ReceivedEvent[]): string[] =>
  events.filter(isTerminal).map((event) => (event.phase === 'failed' ? event.code : event.phase));

/** Launches over a plain BinderHub's stream. */
export const binderhubSuite = ({ describe, it, addressOf }: SuiteTools): void => {
  let runs = 0;
  const launch = createLaunch(fastWorld(20));
  const start = (fault: string) => {
    const spec = `gh/owner/run-${(runs += 1)}/${fault}`;
    return { spec, running: launch(spec, { hub: addressOf('binderHub') }) };
  };
  const builds = async (spec: string): Promise<number> =>
    (await getJson<Record<string, number>>(`${addressOf('binderHub')}/builds`))[spec] ?? 0;

  describe('launch, over a plain BinderHub', () => {
    it('finds out what it speaks, and reads its events', async () => {
      const { running } = start('HEAD');
      const events = await readAll(running);
      expect(events.map((event) => event.phase)).to.deep.equal(
        'waiting unknown fetching unknown building building pushing built launching ready'.split(' '),
      );
      const server = await running.server;
      expect(server.kind).to.equal('jupyter');
      expect(server.token).to.equal('aBcDeFgHiJkLmNoPqRsTuV');
      expect(server.expiresAt).to.equal(Number.POSITIVE_INFINITY);
    });

    it('starts again once after a cut, and says that it does', async () => {
      const { spec, running } = start('cut-1');
      const states: string[] = [];
      running.onConnection((state) => states.push(state));
      const events = await readAll(running);
      expect(ends(events)).to.deep.equal(['ready']);
      const notes = events.flatMap((event) =>
        event.phase === 'unknown' && event.fields['restarted'] ? [event.message] : [],
      );
      expect(notes).to.have.length(1);
      expect(notes[0]).to.contain('cannot go on where it was');
      expect(states).to.deep.equal(['open', 'reconnecting', 'open']);
      expect(await builds(spec)).to.equal(2);
    });

    it('does not start a third time', async () => {
      const { spec, running } = start('cut-9');
      expect(ends(await readAll(running))).to.deep.equal(['hub_unreachable']);
      expect(await builds(spec)).to.equal(2);
    });

    it('never starts again after ready', async () => {
      const { spec, running } = start('late-cut');
      expect(ends(await readAll(running))).to.deep.equal(['ready']);
      await new Promise((resolve) => setTimeout(resolve, 150));
      expect(await builds(spec)).to.equal(1);
    });

    it('ends once where a BinderHub fails twice', async () => {
      const { running } = start('failed');
      expect(ends(await readAll(running))).to.deep.equal(['build_failed']);
      expect((await rejection(running.server)).message).to.equal('Built image failed');
    });

    it('reads the code of a failure from its status', async () => {
      const error = await rejection(start('quota').running.server);
      expect(error.code).to.equal('quota');
      expect(error.message).to.equal('Too many users on this BinderHub! Try again soon.');
    });

    it('waits where the rate is limited', async () => {
      const { spec, running } = start('limited');
      expect(ends(await readAll(running))).to.deep.equal(['ready']);
      expect(await builds(spec)).to.equal(2);
    });

    it('says what is wrong with a hub that only builds', async () => {
      expect((await rejection(start('build-only').running.server)).code).to.equal('policy');
    });

    it('stops waiting on cancel, as such a hub cannot be told to stop', async () => {
      const { running } = start('HEAD');
      await running.cancel();
      expect(ends(await readAll(running))).to.deep.equal(['cancelled']);
    });
  });
};
