import { type Climb, findLadder, type Rung, rungsOf } from "../convergence/ladder.ts";
import { DOWNTIME_LIMIT_MS, defaultNumber } from "../qemu/parameters.ts";
import type { Agreement } from "./agreement.ts";
import type { MigrationPolicy } from "./policy.ts";

const LIMIT = "downtime-limit";
/** The least throttle that QEMU accepts, %: next to none. */
const throttleAtStart = { "cpu-throttle-initial": 1, "max-cpu-throttle": 1 };

/**
 * What a ladder changes in an agreement: the downtime limit at the start, and auto-converge, which
 * must have no effect before its rung. QEMU switches no capability on while it migrates
 * (migration/options.c, qmp_migrate_set_capabilities), so it is on from the start with a throttle of
 * 1 %.
 *
 * @param isOurs auto-converge is on for the ladder only, not by a wish of the caller's
 */
export function withLadder(
  agreement: Agreement,
  policy: MigrationPolicy,
  isOurs: boolean,
): Agreement {
  const ladder = findLadder(policy.convergence.ladder);
  if (ladder === undefined) return agreement;
  const isGiven = policy.downtimeLimitMs !== undefined || LIMIT in policy.parameters;
  const holds = isOurs && agreement.source.capabilities["auto-converge"] === true;
  const parameters = {
    ...(isGiven ? {} : { [LIMIT]: ladder.startLimitMs }),
    ...(holds ? throttleAtStart : {}),
  };
  const reason = `the start of the ladder \`${policy.convergence.ladder}\``;
  return {
    ...agreement,
    source: {
      ...agreement.source,
      parameters: { ...agreement.source.parameters, ...parameters },
    },
    choices: [
      ...agreement.choices.filter(({ subject }) => !(subject in parameters)),
      ...Object.entries(parameters).map(([subject, value]) => ({ subject, value, reason })),
    ],
  };
}

/**
 * The rungs that the source's agent climbs in this migration; undefined without a ladder.
 *
 * @param loadMs the devices' load time, ms, which comes off a downtime budget
 */
export function climbOf(
  agreement: Agreement,
  policy: MigrationPolicy,
  loadMs: number,
): Climb | undefined {
  const { ladder, stall } = policy.convergence;
  const { downtimeBudgetMs: budgetMs } = policy;
  const given = agreement.source.parameters[LIMIT];
  const limitMs = typeof given === "number" ? given : DOWNTIME_LIMIT_MS;
  const rungs = rungsOf(ladder, {
    throttle: throttleOf(agreement, policy),
    postcopy: agreement.source.capabilities["postcopy-ram"] === true,
    limitMs,
    limitMsMax: budgetMs === undefined ? Number.POSITIVE_INFINITY : Math.max(budgetMs - loadMs, 0),
  });
  return rungs.length === 0 ? undefined : { rungs, stall };
}

/** The rung that raises the throttle; only where it was kept low at the start. */
function throttleOf(
  { source }: Agreement,
  { parameters }: MigrationPolicy,
): Extract<Rung, { action: "throttle" }> | undefined {
  const isHeld = source.parameters["max-cpu-throttle"] === throttleAtStart["max-cpu-throttle"];
  if (!isHeld || source.capabilities["auto-converge"] !== true) return undefined;
  const figure = (name: string) => Number(parameters[name] ?? defaultNumber(name));
  return {
    action: "throttle",
    initialPercent: figure("cpu-throttle-initial"),
    incrementPercent: figure("cpu-throttle-increment"),
    maxPercent: figure("max-cpu-throttle"),
  };
}
