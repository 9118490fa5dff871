import { type Climb, findLadder, type Rung, rungsOf } from "../convergence/ladder.ts";
import { DOWNTIME_LIMIT_MS, defaultNumber } from "../qemu/parameters.ts";
import type { Agreement } from "./agreement.ts";
import type { MigrationPolicy } from "./policy.ts";

const LIMIT = "downtime-limit";
/** The least that QEMU takes: as good as none. */
const HELD = { "cpu-throttle-initial": 1, "max-cpu-throttle": 1 };

/**
 * What a ladder changes of an agreement: the downtime limit to begin with, and auto-converge held
 * back until its rung. Capabilities cannot be switched on underway, so it is on from the start, with
 * a throttle of 1 %.
 *
 * @param isOurs auto-converge is on for the ladder's sake only
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
    ...(holds ? HELD : {}),
  };
  const reason = `where the ladder \`${policy.convergence.ladder}\` begins`;
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
 * What the source's agent climbs in this migration; undefined without a ladder.
 *
 * @param loadMs the devices' load time, which comes off a downtime budget
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

/** Only what was held back can be let go. */
function throttleOf(
  { source }: Agreement,
  { parameters }: MigrationPolicy,
): Extract<Rung, { action: "throttle" }> | undefined {
  const isHeld = source.parameters["max-cpu-throttle"] === HELD["max-cpu-throttle"];
  if (!isHeld || source.capabilities["auto-converge"] !== true) return undefined;
  const figure = (name: string) => Number(parameters[name] ?? defaultNumber(name));
  return {
    action: "throttle",
    initialPercent: figure("cpu-throttle-initial"),
    incrementPercent: figure("cpu-throttle-increment"),
    maxPercent: figure("max-cpu-throttle"),
  };
}
