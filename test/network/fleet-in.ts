import type { FleetOptions } from "../../rig/fleet.ts";
import { freeBasePort } from "../../rig/free-ports.ts";
import type { SharedLoopback } from "./loopback.ts";
import { Network } from "./namespaces.ts";

/**
 * What runs each agent of a fleet in the namespace of its host, while the control plane stays in this
 * one. Opens `loopback` to them.
 */
export async function fleetIn(
  { hosts }: Network,
  loopback: SharedLoopback,
): Promise<Pick<FleetOptions, "port" | "agents" | "wrappers">> {
  const port = await freeBasePort();
  const entries = Object.entries(hosts);
  // The API's port, and the one of SQS.
  await loopback.open(
    [port, port + 1],
    entries.map(([, { namespace }]) => namespace),
  );
  return {
    port,
    agents: Object.fromEntries(
      entries.map(([host, { address }]) => [host, { migrationAddress: address }]),
    ),
    wrappers: Object.fromEntries(
      entries.map(([host, { namespace }]) => [host, Network.inside(namespace)]),
    ),
  };
}
