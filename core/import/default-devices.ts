import type { Draft } from "./draft.ts";
import { unitsPerBus } from "./drive-options.ts";
import { isQ35 } from "./network-options.ts";

/**
 * What QEMU adds without `-nodefaults`, as parts of the definition: agents start QEMU with it. From
 * QEMU system/vl.c (default_list, qemu_create_default_devices) and the boards `pc` and `q35`.
 */
export function addDefaultDevices(draft: Draft): void {
  if (!draft.defaults.all) return;
  const has = (...drivers: string[]) =>
    draft.allDevices.some(({ driver }) => drivers.includes(String(driver)));
  if (draft.defaults.serial && !has("isa-serial")) draft.serials.push("log");
  if (draft.defaults.parallel && !has("isa-parallel")) {
    draft.chardevs.push({ id: draft.freeId("parallel0"), backend: "null" });
    draft.devices.board.push({ driver: "isa-parallel", chardev: "parallel0" });
  }
  const isDrive = draft.drives.some((drive) => drive.interface === "floppy");
  if (!isDrive && !has("isa-fdc", "floppy") && !isQ35(draft)) {
    draft.devices.board.push({ driver: "floppy", unit: 0 });
  }
  addCdrom(draft, has("ide-cd", "ide-hd", "scsi-cd", "scsi-hd"));
}

const CDROM_INDEX = 2;

/** An empty CD-ROM drive is the third disk, unless something is there. */
function addCdrom(draft: Draft, isGiven: boolean): void {
  if (isGiven && draft.drives.every((drive) => drive.interface !== "ide")) return;
  const perBus = unitsPerBus(draft);
  const bus = `ide.${Math.floor(CDROM_INDEX / perBus)}`;
  const unit = CDROM_INDEX % perBus;
  const isTaken = draft.devices.board.some((device) => device.bus === bus && device.unit === unit);
  if (!isTaken) draft.devices.board.push({ driver: "ide-cd", bus, unit });
}
