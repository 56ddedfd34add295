import type { V1Pod } from './kubernetes-api.ts';

/** How far a container has come: `never` where its pod ended without it. */
export type ContainerProgress = 'waiting' | 'running' | 'ended' | 'never';

/** Reads it off a pod, for a container of either kind. */
export const containerProgress = ({ status }: V1Pod, container: string): ContainerProgress => {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  const state = all.find(({ name }) => name === container)?.state;
  if (state?.terminated) return 'ended';
  const hasPodEnded = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  if (state?.running) return hasPodEnded ? 'ended' : 'running';
  return hasPodEnded ? 'never' : 'waiting';
};
