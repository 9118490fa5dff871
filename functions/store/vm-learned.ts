import type { VmId } from "../../core/id.ts";
import type { VmLearned } from "../../core/vm-learned.ts";
import { keys } from "./keys.ts";
import { updateIf } from "./table.ts";

/**
 * Writes what a VM's newest migration has shown. Changes nothing when this migration, or a newer one,
 * has been learned from: ids sort by creation.
 */
export async function recordLearned(vm: VmId, learned: VmLearned): Promise<void> {
  await updateIf({
    key: keys.vm(vm),
    update: "SET #learned = :learned",
    condition:
      "attribute_exists(pk) AND (attribute_not_exists(#learned) OR #learned.#migration < :migration)",
    values: { ":learned": learned, ":migration": learned.migration },
  });
}
