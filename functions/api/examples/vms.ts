import type * as z from "zod";
import type { ImportNote } from "../../../core/import/note.ts";
import type { Placement } from "../../../core/plan/placement.ts";
import type { Proposal } from "../../../core/protocol/proposal.ts";
import type { Vm, VmDefinition } from "../../../core/vm.ts";
import type {
  Imported,
  MediumChange,
  NewDevice,
  NewImport,
  NewVm,
  VmChange,
  VmPage,
} from "../bodies/vms.ts";

const wanted: z.input<typeof VmDefinition> = {
  machine: "pc-i440fx-10.0",
  memoryBytes: 134217728,
  blockdevs: [
    {
      driver: "file",
      "node-name": "boot",
      filename: "/srv/images/boot.img",
      "read-only": true,
    },
  ],
  devices: [
    {
      driver: "virtio-blk-pci",
      id: "boot-disk",
      drive: "boot",
      bootindex: 0,
    },
  ],
};

const newVm: z.input<typeof NewVm> = { id: "web1", host: "host-a", definition: wanted };

/** With the defaults filled in. */
const definition: z.input<typeof VmDefinition> = {
  ...wanted,
  accelerator: "tcg",
  cpus: 1,
  objects: [],
  globals: [],
};

const change: z.input<typeof VmChange> = { definition: wanted };

const newDevice: z.input<typeof NewDevice> = {
  device: { driver: "virtio-net-pci", id: "nic1", netdev: "net1", mac: "52:54:00:12:34:57" },
  netdevs: [{ type: "tap", id: "net1", ifname: { $host: "lan", type: "tap" } }],
};

const medium: z.input<typeof MediumChange> = {
  blockdev: {
    driver: "raw",
    "node-name": "install-2",
    "read-only": true,
    file: { driver: "file", filename: "/srv/iso/disc-2.iso", "read-only": true },
  },
};

const starting: z.input<typeof Vm> = {
  id: "web1",
  host: "host-a",
  state: "starting",
  stateSince: "2026-11-30T01:42:07.426Z",
  epoch: 1,
  createdAt: "2026-11-30T01:42:07.426Z",
  updatedAt: "2026-11-30T01:42:07.426Z",
  definition,
};

const running: z.input<typeof Vm> = {
  ...starting,
  state: "running",
  stateSince: "2026-11-30T01:42:07.723Z",
  runState: "running",
  updatedAt: "2026-11-30T01:42:07.723Z",
};

const page: z.input<typeof VmPage> = { items: [running] };

const monitorNote: z.input<typeof ImportNote> = {
  outcome: "replaced",
  option: "-qmp unix:/srv/guests/web1.qmp,server=on,wait=off",
  reason: "the agent has a monitor of its own",
};

const proposal: z.input<typeof Proposal> = {
  definition,
  digest: "5f0f7c3c0b6f0a3f1f6f4c7a1f0d2b6e8a9c5d4e3f2a1b0c9d8e7f6a5b4c3d2e",
  pid: 4711,
  notes: [monitorNote],
  comparison: { values: 441, differences: [], differencesTotal: 0, harmless: [], harmlessTotal: 0 },
};

const newImport: z.input<typeof NewImport> = {
  commandLine:
    "qemu-system-x86_64 -nodefaults -m 128 -machine pc-i440fx-10.0 " +
    "-qmp unix:/srv/guests/web1.qmp,server=on,wait=off",
};

const imported: z.input<typeof Imported> = {
  definition: {
    machine: "pc-i440fx-10.0",
    accelerator: "tcg",
    cpus: 1,
    memoryBytes: 134217728,
    serials: [],
    blockdevs: [],
    devices: [],
    objects: [],
    globals: [],
  },
  notes: [monitorNote],
};

const placement: z.input<typeof Placement> = {
  vm: "web1",
  host: "host-a",
  blockers: [],
  fitting: [],
  reasons: [
    {
      hosts: ["host-b"],
      blockers: [
        {
          code: "memory-short",
          field: "target.memoryFreeBytes",
          message:
            "Expected 256 MiB (268435456 bytes) of memory to be free on the target, got 128 MiB (134217728 bytes)",
          cure: "Free 128 MiB (134217728 bytes) on the target, or choose another host",
        },
      ],
    },
    {
      hosts: ["host-c"],
      blockers: [
        {
          code: "cordoned",
          message: "host-c is cordoned by ops since 2026-11-30T09:12:40.018Z: disk swap",
          cure: "Uncordon host-c, after asking ops",
        },
      ],
    },
  ],
  cures: ["host-c: Uncordon host-c, after asking ops"],
};

/** Requests and answers as a fleet with QEMU 10.0 gave them. */
export const vmExamples = {
  newVm,
  change,
  newDevice,
  medium,
  starting,
  running,
  page,
  placement,
  proposal,
  newImport,
  imported,
};
