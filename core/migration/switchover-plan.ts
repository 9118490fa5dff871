import type { Agreement, Blocker, Choice } from "../negotiate/agreement.ts";
import type { MigrationPolicy } from "../negotiate/policy.ts";
import { DOWNTIME_LIMIT_MS } from "../qemu/parameters.ts";
import { diskRate } from "../storage-copy/shared-rate.ts";
import type { Gate, Prediction } from "./migration.ts";

const LIMIT = "downtime-limit";
const BANDWIDTH = "avail-switchover-bandwidth";

export type SwitchoverInput = {
  agreement: Agreement;
  policy: MigrationPolicy;
  /** Expected load time, ms, and its origin; of migrations with or without ACK, as this one. */
  learned: { loadMs: number; from: string } | undefined;
  /** Bandwidth of the slower link, B/s; undefined if neither side knows its link. */
  linkBytesPerSecond: number | undefined;
};

export type SwitchoverPlan =
  | { ok: true; agreement: Agreement; prediction: Prediction; gate: Gate | undefined }
  | { ok: false; blocker: Blocker };

/**
 * Sets the two figures by which QEMU decides to switch over, downtime limit and bandwidth, and
 * whether to hold before that. QEMU itself keeps a downtime budget: its limit is the budget less the
 * load time, which QEMU does not know, and it stops the guest only when the remaining data fits the
 * limit at that bandwidth (QEMU migration/migration.c, migration_iteration_run).
 */
export function planSwitchover(input: SwitchoverInput): SwitchoverPlan {
  const { policy, learned } = input;
  const loadMs = learned?.loadMs ?? 0;
  const given = input.agreement.source.parameters[LIMIT];
  const limitMs = typeof given === "number" ? given : DOWNTIME_LIMIT_MS;
  const { agreement } = input;
  const gated: Gate | undefined =
    policy.switchover.mode === "gated" ? { reason: "gated" } : undefined;
  const budgetMs = policy.downtimeBudgetMs;
  const plan = (downtimeLimitMs: number, more: Partial<{ gate: Gate; agreement: Agreement }>) => ({
    ok: true as const,
    agreement,
    gate: gated,
    prediction: {
      downtimeMs: downtimeLimitMs + loadMs,
      loadMs,
      ...(learned === undefined ? {} : { learnedFrom: learned.from }),
      ...bandwidthOf(input),
      ...disksOf(input),
    },
    ...more,
  });
  if (budgetMs === undefined) return plan(limitMs, {});
  if (budgetMs - loadMs >= 1) {
    const fitting = limitWithin(policy, { loadMs, limitMs });
    return plan(fitting, { agreement: withLimit(agreement, fitting, budgetMs, input.learned) });
  }
  const refusal = budgetBlocker(policy, learned);
  if (refusal === undefined) return plan(limitMs, { gate: gated ?? { reason: "budget" } });
  return { ok: false, blocker: refusal };
}

/** The downtime limit that QEMU gets, ms: what is agreed, or what the budget allows beside the load. */
export function limitWithin(
  { downtimeBudgetMs, downtimeLimitMs, convergence }: MigrationPolicy,
  { loadMs, limitMs }: { loadMs: number; limitMs: number },
): number {
  if (downtimeBudgetMs === undefined) return limitMs;
  const room = downtimeBudgetMs - loadMs;
  if (room < 1) return limitMs;
  // A ladder begins with a low limit and climbs up to the room.
  const isGiven = downtimeLimitMs !== undefined || convergence.ladder !== "none";
  return isGiven ? Math.min(limitMs, room) : room;
}

/** A downtime budget that loading the devices alone uses up, unless the policy holds then. */
export function budgetBlocker(
  { downtimeBudgetMs, onBudgetExceeded }: MigrationPolicy,
  learned: SwitchoverInput["learned"],
): Blocker | undefined {
  const loadMs = learned?.loadMs ?? 0;
  if (downtimeBudgetMs === undefined || downtimeBudgetMs - loadMs >= 1) return undefined;
  if (onBudgetExceeded === "hold") return undefined;
  return {
    code: "downtime-budget",
    field: "policy.downtimeBudgetMs",
    message: `The downtime budget of ${downtimeBudgetMs} ms cannot be kept: loading the devices alone took ${loadMs} ms (learned from ${learned?.from ?? "earlier migrations"})`,
    cure: "allow the switchover ACK if it is forbidden, raise the budget, or set onBudgetExceeded to hold and permit switchover by hand",
  };
}

/** For the agent to set after the first pass; a figure of the policy is in force from the start. */
function bandwidthOf({ agreement, policy, linkBytesPerSecond }: SwitchoverInput) {
  const asked =
    policy.switchoverBandwidthBytesPerSecond !== undefined || BANDWIDTH in policy.parameters;
  if (!(BANDWIDTH in agreement.source.parameters) || asked) return {};
  return linkBytesPerSecond === undefined ? {} : { linkBytesPerSecond };
}

/** Copied disks get what a cap leaves beside memory that is calm: see diskRate. */
function disksOf({ agreement, linkBytesPerSecond }: SwitchoverInput) {
  const { copies = [] } = agreement;
  if (copies.length === 0) return {};
  const diskBytes = copies.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const capBytesPerSecond = Number(agreement.source.parameters["max-bandwidth"] ?? 0);
  const byCap = diskRate({ capBytesPerSecond, isMemoryCalm: true, disks: 1 });
  const rates = [byCap, linkBytesPerSecond ?? 0].filter((rate) => rate > 0);
  if (rates.length === 0) return { diskBytes };
  return { diskBytes, diskMs: Math.ceil((diskBytes / Math.min(...rates)) * 1000) };
}

function withLimit(
  agreement: Agreement,
  limitMs: number,
  budgetMs: number,
  learned: SwitchoverInput["learned"],
): Agreement {
  const load =
    learned === undefined
      ? "no load time is known yet"
      : `less ${learned.loadMs} ms load time learned from ${learned.from}`;
  const reason = `the downtime budget of ${budgetMs} ms, ${load}`;
  return withParameter(agreement, { subject: LIMIT, value: limitMs, reason });
}

function withParameter(agreement: Agreement, choice: Choice): Agreement {
  const { source, choices } = agreement;
  return {
    ...agreement,
    source: { ...source, parameters: { ...source.parameters, [choice.subject]: choice.value } },
    choices: [...choices.filter(({ subject }) => subject !== choice.subject), choice],
  };
}
