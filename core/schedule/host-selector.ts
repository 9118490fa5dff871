import * as z from "zod";
import { HostId } from "../id.ts";
import { compareVersions } from "./version-order.ts";

/** What a host is, as its agent says. */
export const HostFact = z.enum(["qemu", "kernel", "microcode", "agent"]);
export type HostFact = z.infer<typeof HostFact>;

const text = z.string().min(1).max(253);
const label = z.string().min(1).max(63);

/** Hosts that need it: an older version of something, or a label that has, or has not, a value. */
export const HostCondition = z.union(
  [
    z.strictObject({ fact: HostFact, below: text }),
    z.strictObject({ fact: HostFact, not: text }),
    z.strictObject({ label, is: text }),
    z.strictObject({ label, not: text }),
  ],
  { error: "expected {fact, below}, {fact, not}, {label, is} or {label, not}" },
);
export type HostCondition = z.infer<typeof HostCondition>;

/** Hosts that have all the labels, meet all conditions, and are of the list if there is one. */
export const HostSelector = z
  .strictObject({
    ids: z.array(HostId).min(1).max(10_000).optional(),
    labels: z.record(label, z.string().max(253)).default({}),
    needs: z.array(HostCondition).max(20).default([]),
  })
  .refine(
    ({ ids, labels, needs }) => ids !== undefined || Object.keys(labels).length + needs.length > 0,
    "expected ids, labels or needs: nothing selects all hosts by accident",
  );
export type HostSelector = z.infer<typeof HostSelector>;

export type SelectableHost = {
  readonly id: HostId;
  readonly labels: Readonly<Record<string, string>>;
  readonly facts: Readonly<Partial<Record<HostFact, string>>>;
};

export type Selected = {
  readonly hosts: readonly HostId[];
  /** Hosts of the labels and the list that do not need it, and why. */
  readonly skipped: readonly { readonly host: HostId; readonly reason: string }[];
};

/**
 * Of a host that does not say what a condition asks for it is not known whether it needs it; it is
 * skipped, and the reason says so.
 */
export function selectHosts(selector: HostSelector, all: readonly SelectableHost[]): Selected {
  const ids = selector.ids === undefined ? undefined : new Set(selector.ids);
  const hosts: HostId[] = [];
  const skipped: { host: HostId; reason: string }[] = [];
  for (const host of all) {
    const hasLabels = Object.entries(selector.labels).every(
      ([name, value]) => host.labels[name] === value,
    );
    if (!hasLabels || ids?.has(host.id) === false) continue;
    const reason = selector.needs
      .map((condition) => skipReason(condition, host))
      .find((found) => found !== undefined);
    if (reason === undefined) hosts.push(host.id);
    else skipped.push({ host: host.id, reason });
  }
  const known = new Set(all.map(({ id }) => id));
  for (const id of selector.ids ?? []) {
    if (!known.has(id)) skipped.push({ host: id, reason: "There is no such host" });
  }
  return { hosts, skipped };
}

/** Why a host does not meet a condition; undefined: it does. */
function skipReason(
  condition: HostCondition,
  { labels, facts }: SelectableHost,
): string | undefined {
  if ("label" in condition) {
    const value = labels[condition.label];
    const isMet = "is" in condition ? value === condition.is : value !== condition.not;
    if (isMet) return undefined;
    return `Its label ${condition.label} is ${value ?? "not set"}`;
  }
  const { fact } = condition;
  const version = facts[fact];
  if (version === undefined) return `Its ${fact} is not known`;
  const isMet =
    "below" in condition
      ? compareVersions(version, condition.below) < 0
      : version !== condition.not;
  return isMet ? undefined : `Its ${fact} is ${version}`;
}
