import type { z } from "@hono/zod-openapi";
import type { Placement } from "../../../core/plan/placement.ts";
import type { Vm, VmDefinition } from "../../../core/vm.ts";
import type { NewVm, VmPage } from "../components.ts";

const newVm: z.input<typeof NewVm> = {
  id: "web1",
  host: "host-a",
  definition: {
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
  },
};

/** With the defaults filled in. */
const definition: z.input<typeof VmDefinition> = {
  ...newVm.definition,
  accelerator: "tcg",
  cpus: 1,
  objects: [],
  globals: [],
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
          message: "Expected 268435456 bytes of memory to be free on the target, got 134217728",
          cure: "Free 134217728 bytes on the target, or choose another host",
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
export const vmExamples = { newVm, starting, running, page, placement };
