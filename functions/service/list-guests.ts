import { type HostId, VmId } from "../../core/id.ts";
import type { FoundGuests } from "../../core/protocol/found-guest.ts";
import { Problem } from "../http/problem.ts";
import { findHost } from "../store/hosts.ts";
import { askHost } from "./ask-host.ts";

/**
 * Lists the QEMUs of a host.
 *
 * @throws Problem host-not-found, host-not-active, host-refused, host-silent, host-unreachable
 */
export async function listGuests(id: HostId): Promise<FoundGuests> {
  const host = await findHost(id);
  if (host === undefined) throw new Problem("host-not-found", `There is no host ${id}`);
  return askHost({ host, vm: VmId.parse(id), epoch: 0, verb: "host.guests", args: {} });
}
