import type { ErrorDetail } from '../sdk/contract/index.ts';
import type { LaunchProgress } from './launch-progress.ts';

/** The steps in plain words, in order; a step stands for several phases. */
export const STEPS: readonly { readonly phases: readonly LaunchProgress['phase'][]; readonly words: string }[] = [
  { phases: ['waiting'], words: 'Asking the hub' },
  { phases: ['fetching'], words: 'Fetching the repository' },
  { phases: ['building', 'pushing', 'built'], words: 'Preparing the environment' },
  { phases: ['launching'], words: 'Starting the server' },
  { phases: ['connecting'], words: 'Connecting to the kernel' },
];

/** The index of a phase's step. */
export const stepOf = (phase: LaunchProgress['phase']): number =>
  STEPS.findIndex(({ phases }) => phases.includes(phase));

/** What is going on, in one short sentence. */
export const describeProgress = (progress: LaunchProgress): string => {
  if (progress.reconnecting) return 'The connection to the hub was lost; trying again';
  if (progress.phase === 'waiting' && progress.position !== undefined)
    return `Waiting in the queue, place ${progress.position}`;
  return STEPS[stepOf(progress.phase)]?.words ?? 'Working';
};

/** Where in the repository a failure has its cause, as `requirements.txt, line 3, nunpy`; empty where it is not known. */
export const describePlace = (detail: ErrorDetail | undefined): string => {
  if (!detail) return '';
  const line = detail.line === undefined ? '' : `, line ${detail.line}`;
  const file = detail.file === undefined ? '' : `${detail.file}${line}`;
  return [file, detail.package].filter(Boolean).join(', ');
};
