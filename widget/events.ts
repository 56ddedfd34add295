import type { CellState } from './run-queue.ts';
import type { SessionState } from './launch-progress.ts';

/** A cell's state changed. Sent by `live-cell`. */
export class LiveCellStateEvent extends Event {
  static readonly type = 'live-cell-state';
  readonly state: CellState;

  constructor(state: CellState) {
    super(LiveCellStateEvent.type, { bubbles: true, composed: true });
    this.state = state;
  }
}

/** The page's session changed: a launch went on, came through, failed, or the kernel died. Sent by `live-page`. */
export class LiveSessionStateEvent extends Event {
  static readonly type = 'live-session-state';
  readonly state: SessionState;

  constructor(state: SessionState) {
    super(LiveSessionStateEvent.type, { bubbles: true, composed: true });
    this.state = state;
  }
}

declare global {
  interface HTMLElementEventMap {
    'live-cell-state': LiveCellStateEvent;
    'live-session-state': LiveSessionStateEvent;
  }
}
