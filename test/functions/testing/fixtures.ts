import { HostId, VmId } from "../../../core/id.ts";
import type { HostFacts } from "../../../core/protocol/host.ts";
import type { QemuProbe, SourceProbe, TargetProbe } from "../../../core/protocol/probe.ts";
import { VmDefinition } from "../../../core/vm.ts";

export const MiB = 2 ** 20;
export const GiB = 2 ** 30;

export const definition = VmDefinition.parse({ machine: "pc", memoryBytes: GiB });

/** So small that many fit on a host of `facts`. */
export const smallDefinition = { ...definition, memoryBytes: 2 ** 20 };

const qemu: QemuProbe = {
  binary: "/usr/bin/qemu-system-x86_64:1:1",
  version: { major: 10, minor: 0, micro: 2, package: "" },
  architecture: "x86_64",
  capabilities: ["return-path", "pause-before-switchover", "events", "switchover-ack"],
  parameters: { "downtime-limit": 300, "max-bandwidth": 0 },
  machines: [{ name: "pc-i440fx-10.0", alias: "pc", deprecated: false }],
  multifdCompression: ["none"],
  exitOnError: true,
  vfioProperties: [],
  traceLog: true,
};

export const facts: HostFacts = {
  agentVersion: "0.1.0",
  migrationAddress: "127.0.0.1",
  memoryBytes: 8 * GiB,
  qemu,
};

export const sourceProbe: SourceProbe = {
  qemu,
  machineType: "pc-i440fx-10.0",
  accelerator: "tcg",
  dirtyRing: false,
  runState: "running",
  migrationStatus: "none",
  memoryBytes: GiB,
  cpus: 1,
  vfioDevices: [],
  blockers: [],
};

export const targetProbe: TargetProbe = {
  qemu,
  memoryFreeBytes: 8 * GiB,
  accelerators: ["tcg"],
  vmPresent: false,
  userfaultfd: true,
  missingResources: [],
};

export const prepared = {
  migrationUri: "tcp:127.0.0.1:4444",
  handover: { address: "127.0.0.1", port: 4445 },
  pid: 4711,
  startMs: 120,
};

export const figures = {
  downtimeMs: 35,
  totalTimeMs: 4_000,
  progress: { status: "completed", ramTotalBytes: GiB },
};

export const hostId = (name: string) => HostId.parse(name);
export const vmId = (name: string) => VmId.parse(name);
