import * as z from "zod";
import { Chardev, Display, Netdev, Serial, SmbiosTable, Tpm } from "./channels.ts";
import {
  Actions,
  Boot,
  CpuModel,
  CpuTopology,
  Firmware,
  Kernel,
  MachineName,
  MachineOptions,
  Rtc,
} from "./machine.ts";
import { Memory, MemoryBytes, Numa } from "./memory.ts";
import { Properties, QapiObject } from "./values.ts";

export const Device = QapiObject.refine(
  (device) => typeof device.driver === "string",
  "expected a `driver`",
);

/**
 * The parts of a VM's definition, each right by itself. `VmDefinition` also holds them to each other;
 * what is stored and sent has passed that, and is not judged again by rules that are newer.
 */
export const DefinitionParts = z.strictObject({
  machine: MachineName.default("pc"),
  machineOptions: MachineOptions.optional(),
  /** `tcg` works on any host; `kvm` needs /dev/kvm. */
  accelerator: z.enum(["tcg", "kvm"]).default("tcg"),
  /** Properties of the accelerator (`-accel kvm,dirty-ring-size=4096`). */
  acceleratorOptions: Properties.optional(),
  /** Absent: the machine type's default. */
  cpuModel: CpuModel.optional(),
  /** vCPUs at the start. */
  cpus: z.int().min(1).max(1024).default(1),
  cpuTopology: CpuTopology.optional(),
  /** Memory at the start, without memory devices. */
  memoryBytes: MemoryBytes,
  memory: Memory.optional(),
  numa: Numa.optional(),
  uuid: z.guid().optional(),
  firmware: Firmware.optional(),
  boot: Boot.optional(),
  kernel: Kernel.optional(),
  rtc: Rtc.optional(),
  smbios: z.array(SmbiosTable).max(64).optional(),
  actions: Actions.optional(),
  display: Display.optional(),
  /** In their order. Default: one, `log`. */
  serials: z.array(Serial).max(4).optional(),
  chardevs: z.array(Chardev).max(64).optional(),
  netdevs: z.array(Netdev).max(64).optional(),
  tpm: Tpm.optional(),
  blockdevs: z.array(QapiObject).max(64).default([]),
  devices: z.array(Device).max(256).default([]),
  objects: z.array(QapiObject).max(64).default([]),
  /** `-global driver.property=value` */
  globals: z
    .array(z.string().regex(/^[A-Za-z0-9_.-]+\.[A-Za-z0-9_.-]+=[A-Za-z0-9_.,:-]*$/))
    .max(64)
    .default([]),
});
export type DefinitionParts = z.infer<typeof DefinitionParts>;
