import type { VmId } from "../../core/id.ts";
import type { Affinity } from "../../core/vm-rules.ts";
import type { Item } from "./table.ts";

/**
 * Members of groups that stand apart, by host. Each group is an attribute of the host's record, a set
 * of the VMs that are there or on their way: it is written together with their memory.
 */
const PREFIX = "apart:";

type Rules = { readonly affinities?: readonly Affinity[] | undefined };

/** The groups of a VM whose members stand apart, required or preferred. */
export function apartGroups({ affinities = [] }: Rules): Affinity[] {
  return affinities.filter(({ rule }) => rule === "apart");
}

/** Condition of a write of a VM: its rules, and so its groups, are those that were read. */
export function rulesAsRead({ rulesRevision }: { readonly rulesRevision: number }) {
  const isFirst = rulesRevision === 0;
  return {
    condition: `${isFirst ? "(attribute_not_exists(#rulesRevision) OR " : ""}#rulesRevision = :rulesRevision${isFirst ? ")" : ""}`,
    values: { ":rulesRevision": rulesRevision },
  };
}

/** A part of an update of a host's record. Each text is empty where the VM has no such groups. */
export type ApartUpdate = {
  /** What ADD, or DELETE, does beside the rest: `, #apart0 :member`. */
  readonly actions: string;
  /** ` AND ...`: nobody is there whom the VM requires to be elsewhere. */
  readonly condition: string;
  readonly names: Record<string, string>;
  readonly values: Record<string, unknown>;
};

/** Adds a VM to its groups on a host, or removes it. */
export function apartUpdate(vm: VmId, groups: readonly Affinity[] = []): ApartUpdate {
  const name = (place: number) => `#apart${place}`;
  return {
    actions: groups.map((_, place) => `, ${name(place)} :member`).join(""),
    condition: groups
      .flatMap(({ strength }, place) => (strength === "required" ? [place] : []))
      .map((place) => ` AND attribute_not_exists(${name(place)})`)
      .join(""),
    names: Object.fromEntries(
      groups.map(({ group }, place) => [name(place), `${PREFIX}${group}`] as const),
    ),
    values: groups.length === 0 ? {} : { ":member": new Set([vm]) },
  };
}

/** The members of each group on a host, by its record. */
export function apartMembers(item: Item): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(item).flatMap(([name, value]) =>
      name.startsWith(PREFIX) && value instanceof Set
        ? [[name.slice(PREFIX.length), [...value].map(String).sort()]]
        : [],
    ),
  );
}
