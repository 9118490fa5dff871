import type * as z from "zod";
import type { Migration } from "../../../core/migration/migration.ts";
import type { Agreement } from "../../../core/negotiate/agreement.ts";
import type { MigrationPolicy } from "../../../core/negotiate/policy.ts";
import type {
  BandwidthLimit,
  CheckedPolicy,
  DryRun,
  MigrationPage,
  NewMigration,
} from "../bodies/migrations.ts";

type MigrationExample = z.input<typeof Migration>;

const newMigration: z.input<typeof NewMigration> = {
  vm: "web1",
  target: "host-b",
  policy: {
    switchover: {
      mode: "gated",
    },
  },
};

const requested: MigrationExample = {
  id: "mig_01M8N1VNDJ2TD7XCBRST3FAP8W",
  vm: "web1",
  source: "host-a",
  target: "host-b",
  policy: {
    capabilities: {},
    parameters: {},
    flags: [],
    tls: "off",
    ack: {
      deadlineMs: 300000,
      onTimeout: "cancel",
    },
    switchover: {
      mode: "gated",
      deadlineMs: 86400000,
    },
    onBudgetExceeded: "cancel",
    convergence: {
      ladder: "none",
      stall: {
        windowMs: 40000,
        marginPercent: 4,
        smoothing: 0.4,
      },
    },
    precopyDeadlineMs: 21600000,
  },
  epoch: 2,
  status: "running",
  phase: "admit",
  phases: [
    {
      name: "admit",
      startedAt: "2026-11-30T01:42:08.050Z",
    },
  ],
  executionArn:
    "arn:aws:states:eu-central-1:123456789012:execution:switchyard-migration:mig_01M8N1VNDJ2TD7XCBRST3FAP8W",
  createdAt: "2026-11-30T01:42:08.050Z",
  updatedAt: "2026-11-30T01:42:08.050Z",
};

/** Phases of a migration up to precopy. */
const untilPrecopy: MigrationExample["phases"] = [
  {
    name: "admit",
    startedAt: "2026-11-30T01:42:08.050Z",
  },
  {
    name: "probe",
    startedAt: "2026-11-30T01:42:08.130Z",
  },
  {
    name: "negotiate",
    startedAt: "2026-11-30T01:42:08.186Z",
  },
  {
    name: "prepare",
    startedAt: "2026-11-30T01:42:08.218Z",
  },
  {
    name: "precopy",
    startedAt: "2026-11-30T01:42:08.588Z",
  },
];

const agreement: z.input<typeof Agreement> = {
  source: {
    capabilities: {
      events: true,
      "return-path": true,
      "switchover-ack": true,
      multifd: false,
    },
    parameters: {
      "downtime-limit": 300,
      "max-bandwidth": 0,
    },
  },
  target: {
    capabilities: {
      events: true,
      "return-path": true,
      "switchover-ack": true,
      multifd: false,
    },
    parameters: {
      "announce-initial": 50,
      "multifd-channels": 2,
    },
  },
  ackMode: "legacy",
  ackDevices: [],
  machineType: "pc-i440fx-10.0",
  choices: [
    {
      subject: "ack",
      value: "legacy",
      reason:
        "QEMU 10.0.2 and 10.0.2 speak the legacy ACK with machine type pc-i440fx-10.0: no device asks for it, so it comes at once",
    },
    {
      subject: "transport",
      value: "tcp",
      reason: "QEMU connects to QEMU over the migration network",
    },
    {
      subject: "tls",
      value: "off",
      reason: "off: the stream is as open as the migration network (policy.tls)",
    },
  ],
};

const dryRun: z.input<typeof DryRun> = {
  dryRun: true,
  agreed: true,
  agreement,
  blockers: [],
  twinCheck: {
    values: 356,
    differences: [],
    differencesTotal: 0,
    harmless: [],
    harmlessTotal: 0,
    checkMs: 12.4,
  },
};

/** While it holds: the guest runs on the source. */
const holding: MigrationExample = {
  ...requested,
  agreement,
  phase: "switchover",
  phases: [
    ...untilPrecopy,
    {
      name: "switchover",
      startedAt: "2026-11-30T01:42:09.187Z",
    },
  ],
  ack: {
    mode: "legacy",
    evidence: "trace",
    pendingDevices: [],
    ackedAtMs: 1796002928645.792,
  },
  gate: {
    reason: "gated",
    heldAtMs: 1796002929154,
  },
  prediction: {
    downtimeMs: 300,
    loadMs: 0,
    linkBytesPerSecond: 1000000000,
  },
  startedAtMs: 1796002928644,
  targetStartMs: 109.655,
  updatedAt: "2026-11-30T01:42:09.187Z",
};

const completed: MigrationExample = {
  ...holding,
  status: "completed",
  phase: "confirm",
  phases: [
    ...untilPrecopy,
    {
      name: "await-ack",
      startedAt: "2026-11-30T01:42:09.187Z",
    },
    {
      name: "switchover",
      startedAt: "2026-11-30T01:42:09.187Z",
    },
    {
      name: "confirm",
      startedAt: "2026-11-30T01:42:09.530Z",
    },
  ],
  gate: {
    reason: "gated",
    permittedAt: "2026-11-30T01:42:09.221Z",
    permittedBy: "operator",
    heldAtMs: 1796002929154,
    openedAtMs: 1796002929274,
  },
  prediction: {
    downtimeMs: 300,
    loadMs: 0,
    linkBytesPerSecond: 1000000000,
    errorMs: -120,
  },
  maxBandwidthBytesPerSecond: 125000000,
  progress: {
    status: "completed",
    totalTimeMs: 859,
    ramTotalBytes: 134750208,
    ramTransferredBytes: 8566355,
    ramRemainingBytes: 0,
    dirtyBytesPerSecond: 0,
    dirtySyncCount: 4,
    bandwidthBytesPerSecond: 10019129,
  },
  stoppedAtMs: 1796002929321.489,
  sourceCompletedAtMs: 1796002929501.85,
  targetRunningAtMs: 1796002929506.472,
  figures: {
    downtimeMs: 180,
    totalTimeMs: 859,
    setupTimeMs: 4,
    downtimeBytes: 0,
    progress: {
      status: "completed",
      totalTimeMs: 859,
      ramTotalBytes: 134750208,
      ramTransferredBytes: 8566355,
      ramRemainingBytes: 0,
      dirtyBytesPerSecond: 0,
      dirtySyncCount: 4,
      bandwidthBytesPerSecond: 10019129,
    },
  },
  runningOn: "host-b",
  endState: { host: "host-b", state: "running", runState: "running" },
  updatedAt: "2026-11-30T01:42:09.559Z",
  endedAt: "2026-11-30T01:42:09.559Z",
};

const limited: MigrationExample = { ...holding, maxBandwidthBytesPerSecond: 125_000_000 };

const permitted: MigrationExample = {
  ...limited,
  gate: {
    reason: "gated",
    permittedAt: "2026-11-30T01:42:09.221Z",
    permittedBy: "operator",
    heldAtMs: 1796002929154,
  },
};

const cancelling: MigrationExample = {
  ...requested,
  id: "mig_01M8N1VPYWN2N770QCV0X06PPB",
  source: "host-b",
  target: "host-a",
  epoch: 3,
  phase: "probe",
  phases: [
    {
      name: "admit",
      startedAt: "2026-11-30T01:42:09.628Z",
    },
    {
      name: "probe",
      startedAt: "2026-11-30T01:42:09.641Z",
    },
  ],
  cancelRequestedAt: "2026-11-30T01:42:09.674Z",
  executionArn:
    "arn:aws:states:eu-central-1:123456789012:execution:switchyard-migration:mig_01M8N1VPYWN2N770QCV0X06PPB",
  createdAt: "2026-11-30T01:42:09.628Z",
  updatedAt: "2026-11-30T01:42:09.674Z",
};

/** Its ACK is overdue. */
const waived: MigrationExample = {
  ...holding,
  phase: "await-ack",
  ack: { mode: "legacy", pendingDevices: ["gpu0"] },
};

/** It ended `unknown`: its phases go on with another observation of both sides. */
const reopened: MigrationExample = { ...holding, phase: "switchover" };

const bandwidth: z.input<typeof BandwidthLimit> = { maxBandwidthBytesPerSecond: 125_000_000 };

const page: z.input<typeof MigrationPage> = {
  items: [cancelling],
  next: "mig_01M8N1VPYWN2N770QCV0X06PPB",
};

/**
 * Requests and answers as a fleet with QEMU 10.0 gave them; capabilities, parameters and choices are
 * cut to a few.
 */
const policy: z.input<typeof MigrationPolicy> = { downtimeBudgetMs: 200, tls: "psk" };
const checkedPolicy: z.input<typeof CheckedPolicy> = {
  policy: { ...requested.policy, ...policy, switchover: { mode: "auto", deadlineMs: 86400000 } },
};

export const migrationExamples = {
  policy,
  checkedPolicy,
  newMigration,
  requested,
  holding,
  dryRun,
  completed,
  limited,
  permitted,
  cancelling,
  waived,
  reopened,
  bandwidth,
  page,
};
