import * as z from "zod";
import { StallRule } from "./stall.ts";

/** Named after oVirt's migration policies. */
export const LadderName = z.enum([
  "none",
  "minimal-downtime",
  "suspend-if-needed",
  "post-copy",
  "very-large",
]);
export type LadderName = z.infer<typeof LadderName>;

/** What is done about a migration that does not converge. */
export const Convergence = z.strictObject({
  /**
   * `none`: nothing, the migration continues until its deadline. Otherwise one rung is climbed each
   * time it stalls: first the guest is slowed down (auto-converge), then the downtime limit is raised
   * in steps up to 500 ms (`minimal-downtime`), 5 s (`suspend-if-needed`) or 1.5 s and then 5 s
   * (`very-large`); the last rung cancels the migration, and the guest keeps running on the source.
   * `post-copy` raises the limit up to 200 ms and then, where both sides support it, lets the guest
   * run on the target while its memory follows, which cannot be cancelled. Only this ladder begins
   * postcopy.
   */
  ladder: LadderName.default("none"),
  stall: StallRule.prefault({}),
});
export type Convergence = z.infer<typeof Convergence>;

const percent = z.int().min(1).max(99);

/** One measure against a stall. */
export const Rung = z.discriminatedUnion("action", [
  z.strictObject({
    action: z.literal("downtime-limit"),
    downtimeLimitMs: z.int().min(1).max(2_000_000),
  }),
  /** QEMU slows the guest's CPUs down, more with each pass that does not converge. */
  z.strictObject({
    action: z.literal("throttle"),
    initialPercent: percent,
    incrementPercent: percent,
    maxPercent: percent,
  }),
  /** The guest runs on the target at once, and its memory follows; this cannot be undone. */
  z.strictObject({ action: z.literal("postcopy") }),
  z.strictObject({ action: z.literal("abort") }),
]);
export type Rung = z.infer<typeof Rung>;

/** The rungs that the source's agent climbs by itself, in order, and when. */
export const Climb = z.strictObject({ rungs: z.array(Rung).min(1).max(20), stall: StallRule });
export type Climb = z.infer<typeof Climb>;

/** A rung that was climbed, for the record. */
export const ClimbedRung = z.strictObject({
  /** From 1 on. */
  rung: z.int().min(1).max(20),
  action: z.enum(["downtime-limit", "throttle", "postcopy", "abort"]),
  /** The downtime limit from here on, ms. */
  downtimeLimitMs: z.int().positive().optional(),
  reason: z.string().max(500),
});
export type ClimbedRung = z.infer<typeof ClimbedRung>;

type Ladder = { startLimitMs: number; limitsMs: readonly number[]; postcopy?: true };

/**
 * Downtime limits in ms, oVirt's steps. Each ladder slows the guest down first: that costs the guest
 * less than a longer stop, and takes effect at once.
 */
const ladders: Readonly<Record<Exclude<LadderName, "none">, Ladder>> = {
  "minimal-downtime": { startLimitMs: 100, limitsMs: [150, 200, 300, 400, 500] },
  "suspend-if-needed": { startLimitMs: 100, limitsMs: [150, 200, 300, 400, 500, 5_000] },
  "post-copy": { startLimitMs: 100, limitsMs: [150, 200], postcopy: true },
  "very-large": { startLimitMs: 300, limitsMs: [400, 500, 700, 1_000, 1_500, 5_000] },
};

/** The steps of a ladder; undefined for `none`. */
export function findLadder(name: LadderName): Ladder | undefined {
  return name === "none" ? undefined : ladders[name];
}

/**
 * The rungs of a ladder for one migration.
 *
 * @param throttle how the guest may be slowed down; undefined: not at all
 * @param postcopy both sides support it
 * @param limitMs the downtime limit at the start, ms
 * @param limitMsMax highest limit of a rung, ms (a downtime budget less the devices' load time)
 */
export function rungsOf(
  name: LadderName,
  options: {
    throttle: Extract<Rung, { action: "throttle" }> | undefined;
    postcopy: boolean;
    limitMs: number;
    limitMsMax: number;
  },
): Rung[] {
  const ladder = findLadder(name);
  if (ladder === undefined) return [];
  const { throttle, postcopy, limitMs, limitMsMax } = options;
  const fitting = ladder.limitsMs.map((step) => Math.min(step, limitMsMax));
  const rising = [...new Set(fitting)].filter((step) => step > limitMs);
  return [
    ...(throttle === undefined ? [] : [throttle]),
    ...rising.map((downtimeLimitMs): Rung => ({ action: "downtime-limit", downtimeLimitMs })),
    ...(ladder.postcopy && postcopy ? [{ action: "postcopy" } as const] : []),
    { action: "abort" },
  ];
}
