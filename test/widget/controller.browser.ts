import { expect } from 'chai';
import { LiveleafError } from '../../sdk/errors.ts';
import { PageController, type RunnableCell } from '../../widget/controller.ts';
import { createOutputModel } from '../../widget/outputs/output-model.ts';
import { outputText } from '../../widget/outputs/output.ts';
import type { PageConfig } from '../../widget/page/config.ts';
import { fakePageParts, type FakeRun } from '../helpers/browser/fake-page-parts.ts';
import { until } from '../helpers/browser/until.ts';

const CONFIG: PageConfig = { hub: 'https://hub.example', repo: 'gh/a/b', ref: 'main', kernel: 'python3' };

const cellOf = (source: string, setup = false): RunnableCell => ({ source, setup, outputs: createOutputModel() });
const textOf = (cell: RunnableCell) => cell.outputs.outputs.map(outputText).join('');

/** A page with cells a, b, c; with `start` a kernel too. */
const page = async (options: { start?: boolean; onRun?: (run: FakeRun) => void; config?: PageConfig } = {}) => {
  const fake = fakePageParts(options.onRun ? { onRun: options.onRun } : {});
  const controller = new PageController(options.config ?? CONFIG, fake.parts);
  const cells = ['a', 'b', 'c'].map((source) => cellOf(source));
  for (const cell of cells) controller.add(cell);
  if (options.start) {
    void controller.start();
    await until(() => fake.launches.length === 1);
    fake.launches[0]!.ready();
    await until(() => controller.session.kind === 'live');
  }
  const [a, b, c] = cells as [RunnableCell, RunnableCell, RunnableCell];
  const kinds = () => cells.map((cell) => controller.stateOf(cell).kind).join(' ');
  return { fake, controller, a, b, c, kinds };
};

describe('the controller of a page', () => {
  it('launches nothing without a reader’s gesture', async () => {
    const { fake, controller, a, kinds } = await page();
    expect(controller.run([a], false)).to.equal(false);
    expect(kinds()).to.equal('idle idle idle');
    expect(fake.launches).to.have.length(0);
  });

  it('shares one launch among all cells and runs them in order', async () => {
    const { fake, controller, a, b, kinds } = await page();
    controller.run([a], true);
    controller.run([b], true);
    await until(() => fake.launches.length > 0);
    expect(fake.launches).to.have.length(1);
    expect(fake.launches[0]!.spec).to.equal('gh/a/b/main');
    expect(fake.launches[0]!.options).to.include({ hub: 'https://hub.example', kernel: 'python3' });
    fake.launches[0]!.ready();
    await until(() => fake.kernels[0]?.runs.length === 1);
    expect(kinds()).to.equal('running queued idle');
    fake.kernels[0]!.runs[0]!.print('one');
    fake.kernels[0]!.runs[0]!.done();
    await until(() => fake.kernels[0]!.runs.length === 2);
    expect(fake.kernels[0]!.runs.map(({ code }) => code)).to.deep.equal(['a', 'b']);
    expect(textOf(a)).to.equal('one');
    expect(fake.saved?.server.session).to.equal('a');
  });

  it('uses a saved server instead of launching, and launches when that is gone', async () => {
    const { fake, controller, a } = await page({ start: true });
    controller.dispose();
    const again = new PageController(CONFIG, fake.parts);
    again.run([a], true);
    await until(() => again.session.kind === 'live');
    expect(fake.launches).to.have.length(1);
    fake.refuseConnections(new LiveleafError('session_lost', 'Gone.'));
    const third = new PageController(CONFIG, fake.parts);
    third.run([a], true);
    await until(() => fake.launches.length === 2);
    expect(fake.saved).to.equal(undefined);
  });

  it('follows a launch: phase, log, queue, reconnecting', async () => {
    const { fake, controller, a } = await page();
    controller.run([a], true);
    await until(() => fake.launches.length === 1);
    const launch = fake.launches[0]!;
    launch.emit({ phase: 'building', message: 'Resolved 3 packages', line: 1 });
    await until(() => controller.session.kind === 'launching' && controller.session.progress.lines === 1);
    launch.connection('reconnecting');
    expect(controller.session).to.have.nested.property('progress.reconnecting', true);
    launch.emit({ phase: 'built', environment: 'k', cached: false });
    await until(() => controller.session.kind === 'launching' && controller.session.progress.phase === 'built');
    expect(controller.session).to.have.nested.property('progress.reconnecting', false);
  });

  it('keeps a failure with its code and place, stops what waited, and tries again when asked', async () => {
    const { fake, controller, a, kinds } = await page();
    controller.run([a], true);
    await until(() => fake.launches.length === 1);
    fake.launches[0]!.fail(
      new LiveleafError('build_failed', 'No nunpy.', { detail: { file: 'requirements.txt', line: 3 } }),
    );
    await until(() => controller.session.kind === 'failed');
    expect(controller.session).to.have.nested.property('failure.code', 'build_failed');
    expect(controller.session).to.have.nested.property('failure.detail.line', 3);
    expect(kinds()).to.equal('stopped idle idle');
    controller.run([a], true);
    await until(() => fake.launches.length === 2);
    fake.launches[1]!.ready();
    await until(() => fake.kernels[0]?.runs.length === 1);
  });

  it('says what is missing where the page names no hub or repository', async () => {
    for (const config of [{}, { hub: 'https://hub.example' }]) {
      const { controller, a } = await page({ config });
      controller.run([a], true);
      await until(() => controller.session.kind === 'failed');
      expect(controller.session).to.have.nested.property('failure.code', 'bad_spec');
    }
  });

  it('cancels a launch on the hub and ignores what it still says', async () => {
    const { fake, controller, a, kinds } = await page();
    controller.run([a], true);
    await until(() => fake.launches.length === 1);
    controller.stop();
    expect(fake.launches[0]!.cancelled).to.equal(true);
    expect(controller.session.kind).to.equal('cancelled');
    fake.launches[0]!.ready();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(controller.session.kind).to.equal('cancelled');
    expect(kinds()).to.equal('stopped idle idle');
  });

  it('stops by interrupting what runs and dropping what waits', async () => {
    const { fake, controller, kinds } = await page({ start: true });
    controller.runAll(false);
    await until(() => fake.kernels[0]!.runs.length === 1);
    controller.stop();
    expect(kinds()).to.equal('stopped stopped stopped');
    expect(fake.kernels[0]!.calls).to.deep.equal(['interrupt']);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(fake.kernels[0]!.runs).to.have.length(1);
  });

  it('takes one waiting cell back without stopping the others', async () => {
    const { fake, controller, b, kinds } = await page({ start: true });
    controller.runAll(false);
    await until(() => fake.kernels[0]!.runs.length === 1);
    controller.stopCell(b);
    expect(kinds()).to.equal('running stopped queued');
    expect(fake.kernels[0]!.calls).to.deep.equal([]);
  });

  it('runs set-up cells first, once per kernel', async () => {
    const { fake, controller, b } = await page({ start: true, onRun: (run) => run.done() });
    controller.add(cellOf('setup', true));
    controller.run([b], false);
    await until(() => !controller.busy);
    controller.run([b], false);
    await until(() => !controller.busy);
    expect(fake.kernels[0]!.runs.map(({ code }) => code)).to.deep.equal(['setup', 'b', 'b']);
    await controller.restart(true);
    await until(() => !controller.busy);
    expect(fake.kernels[0]!.calls).to.deep.equal(['restart']);
    expect(fake.kernels[0]!.runs.map(({ code }) => code).slice(3)).to.deep.equal(['setup', 'a', 'b', 'c']);
  });

  it('says that variables are lost when the kernel dies, drops the queue and replays nothing', async () => {
    const { fake, controller, a, kinds } = await page({ start: true });
    controller.runAll(false);
    await until(() => fake.kernels[0]!.runs.length === 1);
    fake.kernels[0]!.become('dead', new LiveleafError('kernel_dead', 'The kernel died.'));
    fake.kernels[0]!.runs[0]!.break(new LiveleafError('kernel_dead', 'The kernel died.'));
    await until(() => controller.session.kind === 'lost');
    expect(controller.session).to.have.nested.property('failure.message', 'The kernel died. Its variables are lost.');
    expect(kinds()).to.equal('failed stopped stopped');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(fake.kernels).to.have.length(1);
    controller.run([a], true);
    await until(() => fake.kernels.length === 2 && fake.kernels[1]!.runs.length === 1);
    expect(fake.launches).to.have.length(1);
  });

  it('launches anew when the whole session is lost', async () => {
    const { fake, controller, a } = await page({ start: true });
    fake.kernels[0]!.become('dead', new LiveleafError('session_lost', 'The session has ended.'));
    expect(fake.saved).to.equal(undefined);
    controller.run([a], true);
    await until(() => fake.launches.length === 2);
  });

  it('tells of a kernel that Jupyter restarted by itself, until the next run', async () => {
    const { fake, controller, a, kinds } = await page({ start: true });
    controller.run([a], false);
    await until(() => fake.kernels[0]!.runs.length === 1);
    fake.kernels[0]!.become('restarting');
    expect(controller.session).to.have.property('notice').that.includes('variables are lost');
    expect(kinds()).to.equal('failed idle idle');
    controller.run([a], false);
    expect(controller.session).to.deep.equal({ kind: 'live' });
  });

  it('keeps old output until the new one begins, and clears it when there is none', async () => {
    const { fake, controller, a } = await page({ start: true });
    controller.run([a], false);
    await until(() => fake.kernels[0]!.runs.length === 1);
    fake.kernels[0]!.runs[0]!.print('old');
    fake.kernels[0]!.runs[0]!.done();
    await until(() => !controller.busy);
    controller.run([a], false);
    await until(() => fake.kernels[0]!.runs.length === 2);
    expect(textOf(a)).to.equal('old');
    fake.kernels[0]!.runs[1]!.done();
    await until(() => !controller.busy);
    expect(textOf(a)).to.equal('');
  });

  it('gives an update of a display to the cell that made it', async () => {
    const { fake, controller, a, b } = await page({ start: true });
    const data = (text: string) => ({ data: { 'text/plain': text }, metadata: {}, displayId: 'd' });
    controller.run([a, b], false);
    await until(() => fake.kernels[0]!.runs.length === 1);
    fake.kernels[0]!.runs[0]!.send({ type: 'display', ...data('one') });
    fake.kernels[0]!.runs[0]!.done();
    await until(() => fake.kernels[0]!.runs.length === 2);
    fake.kernels[0]!.runs[1]!.send({ type: 'update', ...data('two') });
    fake.kernels[0]!.runs[1]!.done();
    await until(() => !controller.busy);
    expect(textOf(a)).to.equal('two');
  });

  it('connects to a bare Jupyter server without a hub', async () => {
    const { fake, controller, a } = await page({ config: { server: { url: 'http://localhost:8888/', token: 't' } } });
    controller.run([a], true);
    await until(() => controller.session.kind === 'live');
    expect(fake.launches).to.have.length(0);
  });
});
