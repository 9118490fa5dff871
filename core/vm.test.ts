import { expect, it } from "vitest";
import { VmDefinition } from "./vm.ts";

const MIB = 2 ** 20;

it("needs no more than its memory", () => {
  expect(VmDefinition.parse({ memoryBytes: MIB })).toEqual({
    machine: "pc",
    accelerator: "tcg",
    cpus: 1,
    memoryBytes: MIB,
    blockdevs: [],
    devices: [],
    objects: [],
    globals: [],
  });
});

it.each([
  { machine: "q35", machineOptions: { acpi: false, "smm-bus": "on" } },
  { cpuModel: "qemu64,+avx2" },
  { uuid: "5d7e2b1c-98f3-4bb1-8e0a-3c7ad7c2a111" },
  { globals: ["migration.switchover-ack-legacy=on"] },
  { memoryBytes: 2 ** 46 },
  { devices: [{ driver: "vfio-pci", sysfsdev: { $host: "gpu0" } }] },
])("may have %j", (more) => {
  expect(VmDefinition.safeParse({ memoryBytes: MIB, ...more }).success).toBe(true);
});

it.each([
  { memoryBytes: MIB + 1 },
  { memoryBytes: 2 ** 46 + MIB },
  { cpus: 0 },
  { machine: "pc,accel=kvm" },
  { machineOptions: { acpi: "off,usb=on" } },
  { cpuModel: "qemu64 -daemonize" },
  { uuid: "5d7e2b1c" },
  { globals: ["migration"] },
  { devices: [{ id: "net0" }] },
  { devices: [{ driver: "e1000", "a b": 1 }] },
  { disk: "disk.qcow2" },
])("may not have %j", (more) => {
  expect(VmDefinition.safeParse({ memoryBytes: MIB, ...more }).success).toBe(false);
});
