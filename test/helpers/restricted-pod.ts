import type { V1Pod } from '../../server/kubernetes/kubernetes-api.ts';

type Container = NonNullable<V1Pod['spec']>['containers'][number];

/** A pod that passes Pod Security *restricted* and runs once, as the user 1000. */
export const restrictedPod = (name: string, spec: Partial<NonNullable<V1Pod['spec']>>): V1Pod => ({
  metadata: { name },
  spec: {
    containers: [],
    restartPolicy: 'Never',
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: 0,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      fsGroup: 1000,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    ...spec,
  },
});
/** A container of one, on a read-only root. */
export const restricted = (container: Omit<Container, 'resources' | 'securityContext'>): Container => ({
  ...container,
  terminationMessagePolicy: 'File',
  resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: { cpu: '1', memory: '512Mi' } },
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  },
});
