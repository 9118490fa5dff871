import type { Clock, Timer } from "./clock.ts";

/** The guest: it counts while it runs, and prints each number on its serial line. */
export type Guest = {
  readonly isRunning: boolean;
  /** The last number printed. */
  readonly counter: number;
  /** Time for which the guest ran since it booted. */
  ranMs(): number;
  /** Time for which the guest ran, less what throttling took from it. */
  workMs(): number;
  start(): void;
  stop(): void;
  /** Continues after `counter`, as a guest that was loaded from a stream does; 0, 0 after a boot. */
  load(state: { counter: number; ranMs: number }): void;
  /** Throttles the guest by `percent` (0..99). */
  throttle(percent: number): void;
};

/** Ticks of the guest that the project's tests boot; `act` counts in them. */
export const TICKS_PER_SECOND = 100;

export type GuestOptions = {
  readonly clock: Clock;
  readonly counterPerSecond: number;
  /** Receives `counter=<n> errors=0\r\n`. Without it the counter is computed only when it is read. */
  readonly onSerial: ((text: string) => void) | undefined;
  /** Called once when the guest has run for `atMs` since it booted. */
  readonly alarm?: { readonly atMs: number; ring(): void } | undefined;
};

export function createGuest({ clock, counterPerSecond, onSerial, alarm }: GuestOptions): Guest {
  const periodMs = 1000 / counterPerSecond;
  let runningSinceMs: number | undefined;
  let ranMs = 0;
  let workedMs = 0;
  let share = 1;
  let printed = 0;
  let base = 0;
  let timer: Timer | undefined;
  let alarmTimer: Timer | undefined;
  let bootMs = 0;

  const setAlarm = (): void => {
    alarmTimer?.cancel();
    if (!alarm || runningSinceMs === undefined) return;
    settle();
    const leftMs = alarm.atMs - bootMs - ranMs;
    if (leftMs > 0) alarmTimer = clock.after(leftMs, alarm.ring);
  };
  const settle = (): void => {
    if (runningSinceMs === undefined) return;
    const passedMs = clock.nowMs() - runningSinceMs;
    ranMs += passedMs;
    workedMs += passedMs * share;
    runningSinceMs += passedMs;
  };
  const reach = (): void => {
    settle();
    const counter = base + Math.floor(ranMs / periodMs + 1e-9);
    while (printed < counter) {
      printed += 1;
      onSerial?.(`counter=${printed} errors=0\r\n`);
    }
  };
  const tick = (): void => {
    reach();
    const restMs = periodMs - (ranMs % periodMs);
    timer = clock.after(Math.max(restMs, 0.01), tick);
  };
  return {
    get isRunning() {
      return runningSinceMs !== undefined;
    },
    get counter() {
      reach();
      return printed;
    },
    ranMs() {
      settle();
      return bootMs + ranMs;
    },
    workMs() {
      settle();
      return workedMs;
    },
    start() {
      if (runningSinceMs !== undefined) return;
      runningSinceMs = clock.nowMs();
      if (onSerial) tick();
      setAlarm();
    },
    stop() {
      if (runningSinceMs === undefined) return;
      reach();
      runningSinceMs = undefined;
      timer?.cancel();
      alarmTimer?.cancel();
    },
    load(state) {
      settle();
      base = state.counter;
      printed = state.counter;
      ranMs = 0;
      bootMs = state.ranMs;
      setAlarm();
    },
    throttle(percent) {
      settle();
      share = 1 - percent / 100;
    },
  };
}
