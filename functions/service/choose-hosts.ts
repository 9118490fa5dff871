import { hostStateOf } from "../../core/host/host-state.ts";
import type { HostId } from "../../core/id.ts";
import { FLEET_HOSTS_MAX } from "../../core/plan/snapshot.ts";
import {
  type HostSelector,
  type SelectableHost,
  selectHosts,
} from "../../core/schedule/host-selector.ts";
import { Problem } from "../http/problem.ts";
import { FleetTooLarge, type HostWithFacts, readAllHosts } from "../store/fleet.ts";
import { closedBy } from "./host-rules.ts";

export type Chosen = {
  readonly hosts: HostId[];
  readonly skipped: { readonly host: HostId; readonly reason: string }[];
};

/**
 * The hosts that a schedule would empty now. Those that are being emptied, are in maintenance, retire
 * or are silent are left alone.
 *
 * @throws Problem fleet-too-large
 */
export async function chooseHosts(selector: HostSelector): Promise<Chosen> {
  const all = await readHosts(selector.ids ?? []);
  const selected = selectHosts(selector, all.map(selectable));
  const known = new Map(all.map(({ host }) => [host.id, host]));
  const hosts: HostId[] = [];
  const skipped = [...selected.skipped];
  for (const id of selected.hosts) {
    const host = known.get(id);
    if (host === undefined) continue;
    if (["active", "cordoned"].includes(hostStateOf(host))) hosts.push(id);
    else skipped.push({ host: id, reason: closedBy(host)[0]?.message ?? hostStateOf(host) });
  }
  return { hosts, skipped };
}

async function readHosts(also: readonly HostId[]): Promise<HostWithFacts[]> {
  try {
    return await readAllHosts(FLEET_HOSTS_MAX, new Set(also));
  } catch (error) {
    if (error instanceof FleetTooLarge) throw new Problem("fleet-too-large", error.message);
    throw error;
  }
}

function selectable({ host, facts }: HostWithFacts): SelectableHost {
  const { id, labels } = host;
  if (facts === undefined) return { id, labels, facts: {} };
  const { major, minor, micro } = facts.qemu.version;
  const { kernel, agentVersion, cpu } = facts;
  return {
    id,
    labels,
    facts: {
      qemu: `${major}.${minor}.${micro}`,
      agent: agentVersion,
      ...(kernel === undefined ? {} : { kernel }),
      ...(cpu?.microcode === undefined ? {} : { microcode: cpu.microcode }),
    },
  };
}
