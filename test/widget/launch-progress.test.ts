import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PHASES, type ReceivedEvent } from '../../sdk/contract/index.ts';
import { LiveleafError } from '../../sdk/errors.ts';
import { asFailure, reduceProgress, startProgress, type LaunchProgress } from '../../widget/launch-progress.ts';
import { describePlace, describeProgress, stepOf } from '../../widget/launch-words.ts';

const play = (...events: ReceivedEvent[]): LaunchProgress => events.reduce(reduceProgress, startProgress(0));

describe('the progress of a launch', () => {
  it('has a step for each phase that it can stand in', () => {
    for (const phase of PHASES) {
      if (phase !== 'ready' && phase !== 'failed') assert.ok(stepOf(phase) >= 0, phase);
    }
  });

  it('says the place in the queue and forgets it when it moves on', () => {
    const waiting = play({ phase: 'waiting', position: 3 });
    assert.equal(describeProgress(waiting), 'Waiting in the queue, place 3');
    assert.equal(describeProgress(reduceProgress(waiting, { phase: 'waiting' })), 'Asking the hub');
  });

  it('keeps each log line once, with its end', () => {
    const progress = play(
      { phase: 'fetching', message: 'one\n', line: 1 },
      { phase: 'building', message: 'two', line: 1 },
      { phase: 'unknown', message: 'three', fields: {} },
      { phase: 'unknown', fields: {} },
    );
    assert.deepEqual(progress.log, ['one\n', 'two\n', 'three\n']);
    assert.equal(progress.lines, 3);
    assert.equal(progress.phase, 'building');
  });

  it('takes a flood of lines without copying it', () => {
    let progress = startProgress(0);
    const { log } = progress;
    for (let line = 1; line <= 100_000; line += 1)
      progress = reduceProgress(progress, { phase: 'building', message: 'x', line });
    assert.equal(progress.lines, 100_000);
    assert.equal(progress.log, log);
  });

  it('says before all else that the hub was lost', () => {
    assert.match(
      describeProgress({ ...play({ phase: 'built', environment: 'k', cached: true }), reconnecting: true }),
      /lost/,
    );
  });

  it('makes a failure of anything, and says where its cause is', () => {
    const failure = asFailure(
      new LiveleafError('build_failed', 'No such package.', {
        detail: { file: 'requirements.txt', line: 3, package: 'nunpy' },
      }),
    );
    assert.equal(failure.code, 'build_failed');
    assert.equal(describePlace(failure.detail), 'requirements.txt, line 3, nunpy');
    assert.equal(describePlace(undefined), '');
    assert.equal(asFailure(new TypeError('x')).code, 'internal');
  });
});
