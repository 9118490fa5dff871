import { expect, it } from "vitest";
import { VmId } from "../../core/id.ts";
import { VmDefinition } from "../../core/vm.ts";
import { guestArguments, guestPaths } from "./arguments.ts";

const paths = guestPaths("/run/vm1");
const base = { vm: VmId.parse("vm1"), paths, incoming: false, sandbox: false };
const line = (definition: object, change: object = {}) =>
  guestArguments({
    ...base,
    ...change,
    definition: VmDefinition.parse({ memoryBytes: 64 << 20, ...definition }),
  }).join(" ");

it("starts a guest with its monitor, its log and no other device", () => {
  expect(line({})).toBe(
    "-nodefaults -no-user-config -display none -name vm1 -machine pc -accel tcg -smp 1 -m 64M " +
      "-serial file:/run/vm1/serial.log -qmp unix:/run/vm1/qmp.sock,server=on,wait=on " +
      "-D /run/vm1/qemu.log -msg timestamp=on",
  );
});

it.each([
  ["an accelerator", { accelerator: "kvm" }, "-accel kvm"],
  ["a CPU model", { cpuModel: "host,+x2apic" }, "-cpu host,+x2apic"],
  [
    "machine options",
    { machineOptions: { acpi: false, "suppress-vmdesc": true, "kernel-irqchip": "split" } },
    "-machine pc,acpi=off,suppress-vmdesc=on,kernel-irqchip=split",
  ],
  ["vCPUs", { cpus: 4 }, "-smp 4"],
  ["a UUID", uuid(), `-uuid ${uuid().uuid}`],
  ["globals", { globals: ["a.b=c"] }, "-global a.b=c"],
  ["objects", { objects: [{ "qom-type": "rng", id: "r" }] }, '-object {"qom-type":"rng","id":"r"}'],
  ["disks", { blockdevs: [{ driver: "file", x: "a,b" }] }, '-blockdev {"driver":"file","x":"a,b"}'],
  ["devices", { devices: [{ driver: "e1000" }] }, '-device {"driver":"e1000"}'],
])("passes %s to QEMU", (_, definition, expected) => {
  expect(line(definition)).toContain(` ${expected} `);
});

it("starts a target paused, waiting", () => {
  expect(line({}, { incoming: true })).toMatch(/ -S -incoming defer$/);
  expect(line({})).not.toContain("-incoming");
});

it("uses the sandbox where it can", () => {
  expect(line({}, { sandbox: true })).toContain(" -sandbox on,obsolete=deny,");
  expect(line({})).not.toContain("-sandbox");
});

it.each(["on,x=y", "a b", ""])(
  "refuses the machine option %j, which QEMU would read as several",
  (value) => {
    expect(() => line({ machineOptions: { acpi: value } })).toThrow();
    expect(() => line({ machineOptions: { [`a${value}=`]: true } })).toThrow();
  },
);

function uuid() {
  return { uuid: "6f1ed002-ab5e-4bcb-9d0f-1e1d1d1d1d1d" };
}
