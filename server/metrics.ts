import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ErrorCode } from '../sdk/contract/index.ts';

const LAUNCH_BUCKETS_S = [0.1, 0.3, 1, 3, 10, 30, 60, 120, 300, 900, 1_800];

export interface MetricsSources {
  readonly launchesActive: () => number;
  readonly streamsOpen: () => number;
  /** Sessions by state. */
  readonly sessions: () => Promise<ReadonlyMap<string, number>>;
  /** Seconds since a cluster last told of its objects, by what is watched. */
  readonly watchAgesS: () => Readonly<Record<string, number>>;
}

export interface Metrics {
  launchEnded(result: 'ready' | ErrorCode, cached: boolean | undefined, durationMs: number): void;
  /** The text that Prometheus reads. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** The hub's figures. Labels come from closed lists only: no repository, no address, no user's word. */
export const createMetrics = (sources: MetricsSources): Metrics => {
  const registry = new Registry();
  const registers = [registry];
  const launches = new Counter({
    name: 'liveleaf_launches_total',
    help: 'Launches that ended, by result: ready, or the code of the failure.',
    labelNames: ['result'],
    registers,
  });
  const seconds = new Histogram({
    name: 'liveleaf_launch_seconds',
    help: 'Time from a launch to its end, by result and by whether its environment existed.',
    labelNames: ['result', 'environment'],
    buckets: LAUNCH_BUCKETS_S,
    registers,
  });
  new Gauge({
    name: 'liveleaf_launches_active',
    help: 'Launches under way.',
    registers,
    collect() {
      this.set(sources.launchesActive());
    },
  });
  new Gauge({
    name: 'liveleaf_streams_open',
    help: 'Event streams open now.',
    registers,
    collect() {
      this.set(sources.streamsOpen());
    },
  });
  new Gauge({
    name: 'liveleaf_sessions',
    help: 'Sessions, by state.',
    labelNames: ['state'],
    registers,
    async collect() {
      const counts = await sources.sessions();
      for (const state of ['reserved', 'starting', 'ready', 'failed']) this.set({ state }, counts.get(state) ?? 0);
    },
  });
  new Gauge({
    name: 'liveleaf_watch_age_seconds',
    help: 'Time since the cluster last told of what is watched; absent on one machine.',
    labelNames: ['watch'],
    registers,
    collect() {
      for (const [watch, age] of Object.entries(sources.watchAgesS())) this.set({ watch }, age);
    },
  });
  new Gauge({
    name: 'liveleaf_resident_memory_bytes',
    help: 'Memory of the hub itself.',
    registers,
    collect() {
      this.set(process.memoryUsage.rss());
    },
  });
  return {
    launchEnded: (result, cached, durationMs) => {
      launches.inc({ result });
      const environment = cached === undefined ? 'none' : cached ? 'cached' : 'built';
      seconds.observe({ result: result === 'ready' ? 'ready' : 'failed', environment }, durationMs / 1_000);
    },
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
};
