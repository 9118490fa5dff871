import type { HostId, VmId } from "../../core/id.ts";
import type { Proposal } from "../../core/protocol/proposal.ts";
import { Problem } from "../http/problem.ts";
import { findHost } from "../store/hosts.ts";
import { findVmAndPast } from "../store/vms.ts";
import { askHost } from "./ask-host.ts";

/**
 * Asks a host for the definition of a QEMU that runs there. Nothing is written or adopted.
 *
 * @throws Problem host-not-found, host-not-active, vm-exists, host-refused, host-silent,
 *   host-unreachable
 */
export async function discoverVm(wanted: {
  id: VmId;
  host: HostId;
  qmpPath: string;
}): Promise<Proposal> {
  const { id, qmpPath } = wanted;
  const [{ vm, past }, host] = await Promise.all([findVmAndPast(id), findHost(wanted.host)]);
  if (host === undefined) throw new Problem("host-not-found", `There is no host ${wanted.host}`);
  if (vm !== undefined) throw new Problem("vm-exists", `VM ${id} exists already`);
  const { epoch } = past;
  return askHost({ host, vm: id, epoch, verb: "guest.discover", args: { qmpPath } });
}
