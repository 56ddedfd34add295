import { randomBytes } from 'node:crypto';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { createKubernetesClient, type KubernetesClient } from '../../server/kubernetes/kubernetes-client.ts';

export interface ClusterNamespace {
  readonly name: string;
  readonly api: KubernetesClient;
  /** Removes the namespace with all that is in it. */
  remove(): Promise<void>;
}

/** A namespace of this test alone in the cluster of `KUBECONFIG`; it enforces Pod Security *restricted*. */
export const clusterNamespace = async (prefix: string): Promise<ClusterNamespace> => {
  const kubeconfig = new KubeConfig();
  kubeconfig.loadFromDefault();
  const core = kubeconfig.makeApiClient(CoreV1Api);
  const name = `${prefix}-${randomBytes(3).toString('hex')}`;
  await core.createNamespace({
    body: { metadata: { name, labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } },
  });
  const api = await createKubernetesClient({});
  return {
    name,
    api,
    async remove() {
      await api.close();
      await core.deleteNamespace({ name });
    },
  };
};
