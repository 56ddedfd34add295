/** The phases of a launch, in the order in which they go out. The last two are terminal. */
export const PHASES = ['waiting', 'fetching', 'building', 'pushing', 'built', 'launching', 'ready', 'failed'] as const;

export type Phase = (typeof PHASES)[number];

/** Phases whose events carry one numbered log line each. */
export const LOG_PHASES = ['fetching', 'building', 'pushing', 'launching'] as const;

export type LogPhase = (typeof LOG_PHASES)[number];

/** A phase's place in a stream; the two terminal phases share the last one. */
export const RANKS: Readonly<Record<Phase, number>> = {
  waiting: 0,
  fetching: 1,
  building: 2,
  pushing: 3,
  built: 4,
  launching: 5,
  ready: 6,
  failed: 6,
};

export const isPhase = (value: unknown): value is Phase => (PHASES as readonly unknown[]).includes(value);

export const isLogPhase = (value: unknown): value is LogPhase => (LOG_PHASES as readonly unknown[]).includes(value);
