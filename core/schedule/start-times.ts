import { Cron } from "croner";
import * as z from "zod";
import { instantOf, isZone, wallAt } from "./zone.ts";

const MINUTE_MS = 60_000;

export const Zone = z
  .string()
  .max(64)
  .refine(isZone, "expected a zone of the IANA's database, such as `Europe/Berlin` or `UTC`");

/** A time on a zone's clocks, to the minute. */
export const WallTime = z.iso.datetime({
  local: true,
  precision: -1,
  error: "expected a date and time without zone, such as `2026-12-01T22:00`",
});

/**
 * Five fields: minute, hour, day of month, month, day of week; with lists, ranges, steps, names, `L`
 * and `#`. If both days are given, either will do. No `?` and no `@daily`: they mean different things
 * in different programs.
 */
export const CronPattern = z
  .string()
  .max(200)
  .regex(/^[^\s?@]+( [^\s?@]+){4}$/, "expected five fields, such as `0 22 * * SAT`, without ? or @")
  .superRefine((pattern, context) => {
    const message = cronProblem(pattern);
    if (message !== undefined) context.addIssue({ code: "custom", message });
  });

/** When something starts: once, or again and again; by the clocks of a zone. */
export const StartTimes = z.union(
  [z.strictObject({ at: WallTime, zone: Zone }), z.strictObject({ cron: CronPattern, zone: Zone })],
  { error: "expected {at, zone} or {cron, zone}" },
);
export type StartTimes = z.infer<typeof StartTimes>;

/** A pattern's times on the clocks. The clocks of UTC have no gap, so it is read in UTC. */
function cronOf(pattern: string): Cron {
  return new Cron(pattern, { timezone: "UTC", mode: "5-part", paused: true });
}

function cronProblem(pattern: string): string | undefined {
  try {
    return cronOf(pattern).nextRun(new Date(0)) === null ? "expected a day that exists" : undefined;
  } catch (error) {
    return `expected a cron pattern: ${error instanceof Error ? error.message : error}`;
  }
}

/** More times than any clock change shows twice. */
const REPEATED_MAX = 3 * 24 * 60;

/**
 * The first start after an instant; undefined: there is none. Each time on the clocks counts once,
 * see `instantOf`, so no day is left out and none has one start too many.
 */
export function nextStart(starts: StartTimes, afterMs: number): number | undefined {
  const { zone } = starts;
  if ("at" in starts) {
    const atMs = instantOf(zone, Date.parse(`${starts.at}:00Z`));
    return atMs > afterMs ? atMs : undefined;
  }
  const cron = cronOf(starts.cron);
  let wall = cron.nextRun(new Date(wallAt(zone, afterMs)));
  // Times that the clocks show for the second time have been; they are passed over.
  for (let count = 0; wall !== null && count < REPEATED_MAX; count += 1) {
    const atMs = instantOf(zone, wall.getTime());
    if (atMs > afterMs) return atMs;
    wall = cron.nextRun(wall);
  }
  return undefined;
}

/** Starts from an instant on (it included), up to another one, at most so many. */
export function startsBetween(
  starts: StartTimes,
  { fromMs, untilMs, max }: { fromMs: number; untilMs: number; max: number },
): number[] {
  const found: number[] = [];
  let next = nextStart(starts, fromMs - 1);
  while (next !== undefined && next < untilMs && found.length < max) {
    found.push(next);
    next = nextStart(starts, next);
  }
  return found;
}

/** Patterns are looked at for so many starts: more than a year of days. */
const CHECKED_STARTS = 400;

/** The shortest time between two starts, by clocks that nobody changes; undefined: only one start. */
export function shortestGapMs(starts: StartTimes): number | undefined {
  if ("at" in starts) return undefined;
  const cron = cronOf(starts.cron);
  let least: number | undefined;
  let last = cron.nextRun(new Date(0));
  for (let count = 1; last !== null && count < CHECKED_STARTS; count += 1) {
    const next = cron.nextRun(last);
    if (next === null) break;
    const gapMs = next.getTime() - last.getTime();
    least = Math.min(least ?? gapMs, gapMs);
    // A pattern with no shorter gap than its step exists: every minute.
    if (least <= MINUTE_MS) break;
    last = next;
  }
  return least;
}
