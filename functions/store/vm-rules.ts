import type { VmRules } from "../../core/vm-rules.ts";
import { apartGroups, apartUpdate, rulesAsRead } from "./apart-groups.ts";
import { keys } from "./keys.ts";
import { transact, write } from "./table.ts";
import type { StoredVm } from "./vms.ts";

const names = [
  "labels",
  "tenant",
  "affinities",
  "requiredLabels",
  "preferredLabels",
  "pinned",
  "runsControlPlane",
  "storage",
] as const satisfies (keyof VmRules)[];

/**
 * Replaces the rules of a VM that no migration holds, and its groups on its host with them. False when
 * the VM has changed since it was read. A VM that is on one host with another of a group stays there.
 */
export async function writeRules(vm: StoredVm, rules: VmRules): Promise<boolean> {
  const asRead = rulesAsRead(vm);
  const set = names.filter((name) => rules[name] !== undefined);
  const removed = names.filter((name) => rules[name] === undefined);
  const failed = await transact([
    write.update({
      key: keys.vm(vm.id),
      update:
        `SET #rulesRevision = :next, #updatedAt = :now${set.map((name) => `, #${name} = :${name}`).join("")}` +
        (removed.length === 0 ? "" : ` REMOVE ${removed.map((name) => `#${name}`).join(", ")}`),
      condition: `#host = :host AND attribute_not_exists(#lockedBy) AND #heldBytes = :held AND ${asRead.condition}`,
      values: {
        ...asRead.values,
        ...Object.fromEntries(set.map((name) => [`:${name}`, rules[name]])),
        ":next": vm.rulesRevision + 1,
        ":now": new Date().toISOString(),
        ":host": vm.host,
        ":held": vm.heldBytes,
      },
    }),
    ...groupWrites(vm, rules),
  ]);
  return failed.length === 0;
}

/** A guest that has ended is in no group of its host. */
function groupWrites(vm: StoredVm, rules: VmRules) {
  if (vm.heldBytes === 0) return [];
  const before = apartGroups(vm);
  const after = apartGroups(rules);
  const isIn = (list: typeof before, group: string) => list.some((one) => one.group === group);
  const left = before.filter(({ group }) => !isIn(after, group));
  const joined = after.filter(({ group }) => !isIn(before, group));
  if (left.length + joined.length === 0) return [];
  const parts = { left: apartUpdate(vm.id, left), joined: apartUpdate(vm.id, joined) };
  const rename = (text: string) => text.replaceAll("#apart", "#left");
  const actions = [
    joined.length === 0 ? "" : `ADD ${parts.joined.actions.slice(2)}`,
    left.length === 0 ? "" : `DELETE ${rename(parts.left.actions).slice(2)}`,
  ];
  const leftNames = Object.entries(parts.left.names).map(([name, group]) => [rename(name), group]);
  return [
    write.update({
      key: keys.host(vm.host),
      update: actions.join(" "),
      condition: "attribute_exists(pk)",
      names: { ...parts.joined.names, ...Object.fromEntries(leftNames) },
      values: { ...parts.left.values, ...parts.joined.values },
    }),
  ];
}
