import { once } from "node:events";
import { connect } from "node:net";
import type { Vm } from "./vm.ts";

/**
 * What a guest does by itself. The guests of the dialogues run no such code: on a real QEMU the
 * human monitor writes to the I/O ports in the guest's place, on a model the control socket says it.
 */
export type Action = "sleep" | "power-off" | "panic" | "reset" | "io-error";

/** PCI function 00:01.3 of `pc`: I/O ports of power management at 0x600, switched on. */
const powerManagement = [
  "o /w 0xcf8 0x80000b40",
  "o /w 0xcfc 0x601",
  "o /w 0xcf8 0x80000b80",
  "o /b 0xcfc 1",
];

/** One sector of zeros to the first IDE disk, LBA 0. */
const writeSector = [
  "o /b 0x1f6 0xe0",
  "o /b 0x1f2 1",
  "o /b 0x1f3 0",
  "o /b 0x1f4 0",
  "o /b 0x1f5 0",
  "o /b 0x1f7 0x30",
  ...Array.from({ length: 128 }, () => "o /w 0x1f0 0"),
];

const portWrites: Readonly<Record<Action, readonly string[]>> = {
  sleep: [...powerManagement, "o /h 0x604 0x2400"],
  "power-off": [...powerManagement, "o /h 0x604 0x2000"],
  panic: ["o /b 0x505 1"],
  reset: ["o /b 0xcf9 6"],
  "io-error": writeSector,
};

/** The device that `panic` needs. */
export const panicDevice = ["-device", "pvpanic"];

/** The disk that `io-error` needs: so many writes fail, `undefined`: every write. */
export function failingDisk(failures?: 1): string[] {
  const once = failures === undefined ? "" : ",inject-error.0.once=on";
  const rule = `inject-error.0.event=none,inject-error.0.iotype=write,inject-error.0.errno=5${once}`;
  const image = "image.driver=null-co,image.size=1048576,image.read-zeroes=on";
  const device = "ide-hd,drive=disk,id=hd,bus=ide.0,rerror=stop,werror=stop";
  return ["-blockdev", `driver=blkdebug,node-name=disk,${image},${rule}`, "-device", device];
}

/** The guest acts. `times` is for `io-error` on a model: so many accesses fail. */
export async function act(vm: Vm, action: Action, times = 1): Promise<void> {
  if (vm.control !== undefined) {
    await control(vm.control, { kind: "act", action, times });
    return;
  }
  for (const line of portWrites[action]) {
    await vm.ask("human-monitor-command", { "command-line": line });
  }
}

/** Sends a fault to a model. */
export async function control(path: string, fault: Record<string, unknown>): Promise<void> {
  const socket = connect(path);
  socket.on("error", () => {});
  socket.write(`${JSON.stringify(fault)}\n`);
  await Promise.race([once(socket, "data"), once(socket, "close")]);
  socket.destroy();
}
