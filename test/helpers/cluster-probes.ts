import { setTimeout as sleep } from 'node:timers/promises';
import { CoreV1Api, KubeConfig, type V1Pod } from '@kubernetes/client-node';

/** Pods that listen, and pods that try to connect. */
export interface Probes {
  /** Starts a pod that listens; resolves with its address once it does. */
  listen(namespace: string, name: string, port: number, labels?: Readonly<Record<string, string>>): Promise<string>;
  /**
   * Which of the targets (`host:port`) a pod reaches, and as `names` whether it gets answers for names.
   * What counts is the last of several attempts, since a policy begins to hold a moment after its pod has started.
   */
  reached(
    namespace: string,
    name: string,
    targets: Readonly<Record<string, string>>,
    labels?: Readonly<Record<string, string>>,
  ): Promise<Readonly<Record<string, boolean>>>;
  /** Removes all pods. */
  close(): Promise<void>;
}

const LISTEN = `
import socket, sys
server = socket.create_server(("0.0.0.0", int(sys.argv[1])))
print("listening", flush=True)
while True:
    server.accept()[0].close()
`;

const REACH = `
import json, socket, sys, time
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor()
def connects(target):
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=3).close()
        return True
    except OSError:
        return False
def settles(target):
    until = time.monotonic() + 5
    while time.monotonic() < until:
        last = connects(target)
        time.sleep(0.2)
    return last
try:
    names = bool(socket.getaddrinfo("kubernetes.default.svc", 443))
except OSError:
    names = False
targets = json.loads(sys.argv[1])
print(json.dumps({"names": names, **dict(zip(targets, pool.map(settles, targets.values())))}))
`;

/** `image` holds Python; the cluster is the one of `KUBECONFIG`. */
export const startProbes = (image: string): Probes => {
  const kubeconfig = new KubeConfig();
  kubeconfig.loadFromDefault();
  const core = kubeconfig.makeApiClient(CoreV1Api);
  const started: { namespace: string; name: string }[] = [];

  const start = async (
    namespace: string,
    name: string,
    args: readonly string[],
    labels: Readonly<Record<string, string>>,
    until: (pod: V1Pod, log: string) => boolean,
  ): Promise<{ pod: V1Pod; log: string }> => {
    await core.createNamespacedPod({
      namespace,
      body: {
        metadata: { name, labels },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 0,
          automountServiceAccountToken: false,
          securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              name: 'probe',
              image,
              command: ['python3', '-c', ...args],
              resources: { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '128Mi' } },
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
            },
          ],
        },
      },
    });
    started.push({ namespace, name });
    const deadline = Date.now() + 120_000;
    for (;;) {
      const pod = await core.readNamespacedPod({ namespace, name });
      const log = await core.readNamespacedPodLog({ namespace, name }).catch(() => '');
      if (until(pod, log)) return { pod, log };
      if (Date.now() > deadline || pod.status?.phase === 'Failed')
        throw new Error(`The pod ${name} is ${pod.status?.phase}: ${log}\n${JSON.stringify(pod.status, undefined, 1)}`);
      await sleep(200);
    }
  };

  return {
    listen: async (namespace, name, port, labels = {}) => {
      const args = [LISTEN, String(port)];
      const { pod } = await start(
        namespace,
        name,
        args,
        labels,
        ({ status }, log) => status?.podIP !== undefined && log.includes('listening'),
      );
      return pod.status?.podIP ?? '';
    },
    reached: async (namespace, name, targets, labels = {}) => {
      const args = [REACH, JSON.stringify(targets)];
      const { log } = await start(namespace, name, args, labels, (_pod, text) => text.endsWith('}\n'));
      return JSON.parse(log) as Record<string, boolean>;
    },
    close: async () => {
      await Promise.all(started.map((pod) => core.deleteNamespacedPod({ ...pod, gracePeriodSeconds: 0 })));
    },
  };
};
