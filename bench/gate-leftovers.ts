import { join } from "node:path";
import { QmpClient } from "../qmp/client.ts";
import type { Fleet } from "../rig/fleet.ts";

/**
 * What a gate left in a guest's QEMU: its node, a dirty bitmap, the capability, a downtime limit of
 * 0. The agent is stopped meanwhile, since QEMU serves one client per monitor.
 */
export async function findLeftovers(fleet: Fleet, host: string, vm: string): Promise<string[]> {
  await fleet.agent(host).stop();
  const qmp = await QmpClient.connect({ path: join(fleet.guestFolder(host, vm), "qmp.sock") });
  try {
    const [nodes, capabilities, parameters] = await Promise.all([
      qmp.execute("query-named-block-nodes", {}),
      qmp.execute("query-migrate-capabilities"),
      qmp.execute("query-migrate-parameters"),
    ]);
    const isOn = capabilities.some((one) => one.capability === "dirty-bitmaps" && one.state);
    return [
      ...nodes.flatMap((node) => (node["dirty-bitmaps"]?.length ? ["a dirty bitmap"] : [])),
      ...(nodes.some((node) => node["node-name"] === "switchyard-gate") ? ["its node"] : []),
      ...(isOn ? ["the capability dirty-bitmaps"] : []),
      ...(Number(parameters["downtime-limit"]) === 0 ? ["a downtime limit of 0"] : []),
    ];
  } finally {
    await qmp.close();
    fleet.startAgent(host);
    await fleet.waitForHost(host);
  }
}
