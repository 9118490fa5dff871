import * as z from "zod";
import type { FleetEventData } from "../../core/fleet-event/fleet-event.ts";
import { Labels } from "../../core/labels.ts";
import { keys } from "./keys.ts";
import { getItems } from "./table.ts";

const Labelled = z.object({ labels: Labels.default({}) });

/** Labels of the VM and of each host that an event is about, as they are now. */
export async function labelsOf({
  vm,
  host,
  source,
  target,
}: FleetEventData): Promise<readonly Labels[]> {
  const hosts = [...new Set([host, source, target])].filter((id) => id !== undefined);
  const rows = await getItems([
    ...(vm === undefined ? [] : [keys.vm(vm)]),
    ...hosts.map((id) => keys.host(id)),
  ]);
  return rows.map((row) => Labelled.parse(row).labels);
}
