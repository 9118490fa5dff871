import type * as z from "zod";
import type { FoundGuests } from "../../../core/protocol/found-guest.ts";
import type { Host, HostChange } from "../../../core/protocol/host.ts";
import type {
  ConfirmedDown,
  CreatedHost,
  HostPage,
  HostRequest,
  IssuedJoinToken,
  JoinTokenRequest,
  NewHost,
  UncordonedHost,
} from "../bodies/hosts.ts";

const newHost: z.input<typeof NewHost> = {
  id: "host-c",
  slotsIn: 1,
};

const joinToken: z.input<typeof IssuedJoinToken> = {
  token: "syj_YQxRimwol6NaE5hPyNKCxFvLUHemusra_SZx1pIcOvY",
  expiresAt: "2026-11-30T02:42:07.322Z",
};

const joinTokenRequest: z.input<typeof JoinTokenRequest> = { seconds: 600 };

const created: z.input<typeof CreatedHost> = {
  host: {
    id: "host-c",
    slotsOut: 2,
    slotsIn: 1,
    state: "joining",
    queueUrl: "https://sqs.eu-central-1.amazonaws.com/123456789012/switchyard-host-host-c",
    createdAt: "2026-11-30T01:42:07.322Z",
  },
  joinToken,
};

const host: z.input<typeof Host> = {
  id: "host-a",
  state: "active",
  slotsOut: 2,
  slotsIn: 2,
  facts: {
    agentVersion: "0.1.0",
    migrationAddress: "192.0.2.11",
    memoryBytes: 25276059648,
    qemu: {
      binary: "/usr/bin/qemu-system-x86_64 28686560 1757080993000",
      version: {
        major: 10,
        minor: 0,
        micro: 2,
        package: "Debian 1:10.0.2+ds-2+deb13u1~bpo12+1",
      },
      architecture: "x86_64",
      capabilities: ["return-path", "multifd", "switchover-ack"],
      parameters: {
        "downtime-limit": 300,
        "max-bandwidth": 134217728,
        "multifd-channels": 2,
      },
      machines: [
        {
          name: "pc-i440fx-10.0",
          alias: "pc",
          deprecated: false,
          switchoverAckLegacy: true,
        },
      ],
      multifdCompression: ["none", "zlib", "zstd"],
      exitOnError: true,
      vfioProperties: ["x-migration-multifd-transfer"],
      tlsCredentials: ["psk", "x509"],
      traceLog: true,
    },
  },
  usage: {
    outgoing: 1,
    incoming: 0,
    preparingOut: 0,
    preparingIn: 0,
    reservedBytes: 134217728,
    memoryBytes: 25276059648,
  },
  queueUrl: "https://sqs.eu-central-1.amazonaws.com/123456789012/switchyard-host-host-a",
  lastEventAt: "2026-11-30T01:42:07.217Z",
  createdAt: "2026-11-30T01:42:04.372Z",
};

const page: z.input<typeof HostPage> = {
  items: [
    {
      id: "host-a",
      state: "active",
      slotsOut: 2,
      slotsIn: 2,
      usage: {
        outgoing: 1,
        incoming: 0,
        preparingOut: 0,
        preparingIn: 0,
        reservedBytes: 134217728,
        memoryBytes: 25276059648,
      },
      queueUrl: "https://sqs.eu-central-1.amazonaws.com/123456789012/switchyard-host-host-a",
      lastEventAt: "2026-11-30T01:42:07.217Z",
      createdAt: "2026-11-30T01:42:04.372Z",
    },
  ],
  next: "host-a",
};

const guests: z.input<typeof FoundGuests> = {
  items: [
    {
      pid: 4711,
      owner: "shell",
      name: "wiki",
      binary: "/usr/bin/qemu-system-x86_64",
      uid: 0,
      monitors: [{ path: "/srv/guests/wiki.qmp", state: "free" }],
      adoptable: true,
      advice: "Whatever started it must not start it again: take it out of scripts and units",
    },
  ],
  total: 1,
};

const cordoned: z.input<typeof Host> = {
  id: "host-a",
  state: "cordoned",
  stateSince: "2026-11-30T01:42:04.411Z",
  cordons: [
    {
      owner: "ops",
      kind: "person",
      message: "disk swap",
      since: "2026-11-30T09:12:40.018Z",
    },
  ],
  labels: { rack: "7" },
  slotsOut: 2,
  slotsIn: 2,
  queueUrl: "https://sqs.eu-central-1.amazonaws.com/123456789012/switchyard-host-host-a",
  lastEventAt: "2026-11-30T09:12:38.217Z",
  createdAt: "2026-11-30T01:42:04.372Z",
};

const change: z.input<typeof HostChange> = {
  labels: { rack: "7", old: null },
  slotsOut: 1,
  linkInBytesPerSecond: 1250000000,
};

const changed: z.input<typeof Host> = {
  ...cordoned,
  state: "active",
  cordons: [],
  slotsOut: 1,
  linkInBytesPerSecond: 1250000000,
};

const cordon: z.input<typeof HostRequest> = { owner: "ops", message: "disk swap" };

const uncordon: z.input<typeof HostRequest> = { owner: "ops", message: "disk swapped" };

const uncordoned: z.input<typeof UncordonedHost> = {
  host: { ...cordoned, state: "active", cordons: [] },
  cleared: cordoned.cordons ?? [],
};

const maintained: z.input<typeof Host> = {
  ...cordoned,
  state: "maintenance",
  stateSince: "2026-11-30T09:14:02.771Z",
  stateBy: { owner: "ops", message: "disk swap" },
  heardAt: "2026-11-30T09:14:01.100Z",
};

const returned: z.input<typeof Host> = {
  ...cordoned,
  state: "active",
  stateSince: "2026-11-30T11:40:31.005Z",
  cordons: [],
};

const rotating: z.input<typeof Host> = {
  ...changed,
  key: { id: "3f1c0a9be2d47781", since: "2026-11-30T01:42:05.004Z" },
  rotateKey: true,
};

const down: z.input<typeof HostRequest> = { owner: "ops", message: "mainboard dead, power is off" };

const confirmedDown: z.input<typeof ConfirmedDown> = {
  host: {
    ...cordoned,
    state: "silent",
    cordons: [],
    heardAt: "2026-11-30T09:14:01.100Z",
    silentSince: "2026-11-30T09:14:01.100Z",
    down: { ...down, owner: "ops", at: "2026-11-30T09:31:40.512Z" },
  },
  failed: ["web-1", "db-2"],
  reconciling: [{ vm: "web-7", migration: "mig_01JDYKX2W8Q4T6V8X0Z2B4D6F8" }],
};

const retired: z.input<typeof Host> = { ...maintained, state: "retired", cordons: [] };

/** Requests and answers as a fleet with QEMU 10.0 gave them; long lists are cut. */
export const hostExamples = {
  newHost,
  created,
  host,
  page,
  change,
  changed,
  cordon,
  cordoned,
  uncordon,
  uncordoned,
  maintained,
  down,
  confirmedDown,
  returned,
  retired,
  guests,
  joinToken,
  joinTokenRequest,
  rotating,
};
