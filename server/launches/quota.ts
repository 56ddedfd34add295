import type { SessionRecord } from '../spawners/spawner.ts';

/** How many sessions there may be. */
export interface Quota {
  /** At once; 0 lets nobody in. */
  readonly total: number;
  /** At once of one repository, whatever the ref; 0 sets no limit of its own. */
  readonly perRepo: number;
}

export type Admission =
  | { readonly admitted: true }
  /** `position` counts from 1 among those that wait; `limit` is what stands in the way. */
  | { readonly admitted: false; readonly position: number; readonly limit: 'total' | 'repo' };

type Reservation = Pick<SessionRecord, 'name' | 'repo' | 'state' | 'createdAt'>;

const byAge = (left: Reservation, right: Reservation): number =>
  left.createdAt - right.createdAt || (left.name < right.name ? -1 : 1);

/**
 * Whether a reservation's turn has come. Reservations are ranked by time, then name, and let in in that order;
 * one that only its own repository's limit holds back takes no place from others. Failed launches count for nothing.
 */
export const admissionOf = (name: string, reservations: readonly Reservation[], quota: Quota): Admission => {
  const perRepo = quota.perRepo === 0 ? Number.POSITIVE_INFINITY : quota.perRepo;
  const inUse = new Map<string, number>();
  let total = 0;
  let waiting = 0;
  const take = (repo: string) => {
    total++;
    inUse.set(repo, (inUse.get(repo) ?? 0) + 1);
  };
  for (const { state, repo } of reservations) if (state === 'starting' || state === 'ready') take(repo);
  for (const reservation of reservations.filter(({ state }) => state === 'reserved').sort(byAge)) {
    const limit = total >= quota.total ? 'total' : (inUse.get(reservation.repo) ?? 0) >= perRepo ? 'repo' : undefined;
    if (limit === undefined) take(reservation.repo);
    else waiting++;
    if (reservation.name !== name) continue;
    return limit === undefined ? { admitted: true } : { admitted: false, position: waiting, limit };
  }
  return { admitted: true };
};
