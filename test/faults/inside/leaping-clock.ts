import { type Clock, systemClock as machines, type Timer } from "../../../emulators/aws/clock.ts";
import { readInside } from "./inside.ts";
import { readSwitch } from "./switches.ts";

export * from "../../../emulators/aws/clock.ts";

const POLL_MS = 20;
const { switches } = readInside();
const pending = new Map<number, { dueAt: number; fire: () => void }>();
let leaptMs = leap();
let next = 0;

/**
 * The clock of the workflows, which leaps on demand: every wait that is due by then ends, and the
 * task tokens of states that timed out are no longer valid.
 */
export const systemClock: Clock = {
  now: () => machines.now() + leaptMs,
  setTimeout: (callback, delayMs): Timer => {
    const key = next++;
    const timer = machines.setTimeout(() => fire(), delayMs);
    const clear = () => {
      timer.clear();
      pending.delete(key);
    };
    const fire = () => {
      clear();
      callback();
    };
    pending.set(key, { dueAt: systemClock.now() + delayMs, fire });
    return { clear };
  },
};

setInterval(() => {
  if (leap() === leaptMs) return;
  leaptMs = leap();
  const now = systemClock.now();
  const due = [...pending.values()].filter(({ dueAt }) => dueAt <= now);
  for (const { fire } of due.sort((one, other) => one.dueAt - other.dueAt)) fire();
}, POLL_MS).unref();

function leap(): number {
  return Number(readSwitch(switches, "leap") ?? 0);
}
