import type { Blocker } from "../negotiate/agreement.ts";
import type { Guest } from "./guest.ts";
import type { HostTable } from "./host-table.ts";
import type { PlanOptions } from "./options.ts";
import { gigabits, shortList } from "./wording.ts";

/** Why the members of each gate group cannot be at their gates together; by group. */
export function gateBlockers(
  guests: readonly Guest[],
  table: HostTable,
  options: PlanOptions,
): Map<string, Blocker[]> {
  const found = new Map<string, Blocker[]>();
  const members = Map.groupBy(guests, ({ vm }) => vm.gateGroup);
  for (const [group, list] of members) {
    if (group === undefined) continue;
    const blockers = [
      ...slotBlockers(list, table),
      ...tenantBlockers(list, options.tenantLimits),
      ...turnBlockers(group, list, table, options),
    ];
    if (blockers.length > 0) found.set(group, blockers);
  }
  return found;
}

function slotBlockers(members: readonly Guest[], table: HostTable): Blocker[] {
  const found: Blocker[] = [];
  for (const [source, own] of Map.groupBy(members, (guest) => guest.source)) {
    const { host, out } = table.row(source);
    if (own.length <= out.slots) continue;
    // Rounded down: a rate that is a little higher leaves one slot too few.
    const rate = Math.floor((out.linkBytesPerSecond / own.length) * 8e-7) / 100;
    found.push({
      code: "group-exceeds-slots",
      field: "streamBytesPerSecond",
      message: `${own.length} must be at the gate together, ${host.id} has ${out.slots} slots out`,
      cure: `A stream rate of at most ${rate} Gbit/s instead of ${gigabits(out.streamBytesPerSecond)}, or ${own.length} slots out`,
    });
  }
  return found;
}

function tenantBlockers(members: readonly Guest[], limits: PlanOptions["tenantLimits"]): Blocker[] {
  const found: Blocker[] = [];
  for (const [tenant, own] of Map.groupBy(members, ({ vm }) => vm.tenant)) {
    const limit = tenant === undefined ? undefined : limits[tenant];
    if (limit === undefined || own.length <= limit) continue;
    found.push({
      code: "group-exceeds-slots",
      field: "tenantLimits",
      message: `${own.length} must be at the gate together, and the tenant ${tenant} may have ${limit}`,
      cure: `A limit of ${own.length} for ${tenant}`,
    });
  }
  return found;
}

/** Hosts that are emptied in turn do not have their guests at the gate at the same time. */
function turnBlockers(
  group: string,
  members: readonly Guest[],
  table: HostTable,
  { hostsAtOnce, canaryHosts, ramp, returnAfterMs }: PlanOptions,
): Blocker[] {
  const hosts = [...new Set(members.map(({ source }) => source))];
  const isInTurn = hostsAtOnce + canaryHosts + ramp.length > 0 || returnAfterMs !== undefined;
  if (hosts.length < 2 || !isInTurn) return [];
  const names = hosts.map((host) => table.row(host).host.id);
  return [
    {
      code: "group-on-several-hosts",
      message: `The gate group ${group} is on ${shortList(names)}, which are emptied in turn`,
      cure: "Empty these hosts at once, or bring the group to one host first",
    },
  ];
}
