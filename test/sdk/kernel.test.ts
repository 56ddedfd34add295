import { after, before, describe, it } from 'node:test';
import { startKernelLab } from '../helpers/kernel-lab.ts';
import { kernelSuite } from './kernel.suite.ts';

let lab: Awaited<ReturnType<typeof startKernelLab>>;
before(async () => {
  lab = await startKernelLab();
});
after(() => lab.close());

kernelSuite({ describe, it, after, addressOf: () => lab.address });
