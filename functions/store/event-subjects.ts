import * as z from "zod";
import type { FleetEventData } from "../../core/fleet-event/fleet-event.ts";
import { Labels } from "../../core/labels.ts";
import { TenantName } from "../../core/vm-rules.ts";
import { keys } from "./keys.ts";
import { getItems } from "./table.ts";

const Subject = z.object({ labels: Labels.default({}), tenant: TenantName.optional() });
type Subject = z.infer<typeof Subject>;

/** Labels and tenant of the VM, and labels of each host, that an event is about, as they are now. */
export async function subjectsOf({
  vm,
  host,
  source,
  target,
}: FleetEventData): Promise<readonly Subject[]> {
  const hosts = [...new Set([host, source, target])].filter((id) => id !== undefined);
  const rows = await getItems([
    ...(vm === undefined ? [] : [keys.vm(vm)]),
    ...hosts.map((id) => keys.host(id)),
  ]);
  return rows.map((row) => Subject.parse(row));
}
