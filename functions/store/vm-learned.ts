import type { VmId } from "../../core/id.ts";
import type { Agreement } from "../../core/negotiate/agreement.ts";
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

/** Writes how big the disks are that are to be copied. Nothing is written where none is. */
export async function noteDiskSizes(
  vm: VmId,
  { copies = [] }: Pick<Agreement, "copies">,
): Promise<void> {
  if (copies.length === 0) return;
  const sizes = Object.fromEntries(copies.map(({ disk, sizeBytes }) => [disk, sizeBytes]));
  await updateIf({
    key: keys.vm(vm),
    update: "SET #diskSizes = :sizes",
    condition: "attribute_exists(pk)",
    values: { ":sizes": sizes },
  });
}
