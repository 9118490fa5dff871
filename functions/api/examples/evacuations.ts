import type * as z from "zod";
import type { Evacuation, EvacuationMove } from "../../../core/evacuation/evacuation.ts";
import type { EvacuationLimits, EvacuationRequest } from "../../../core/evacuation/request.ts";
import type {
  Acknowledging,
  Acting,
  Approving,
  EvacuationDryRun,
  EvacuationPage,
  MovePage,
  PlanVersion,
  RollbackPlan,
} from "../bodies/evacuations.ts";

const request: z.input<typeof EvacuationRequest> = {
  hosts: ["host-a"],
  by: "ada",
  limits: { errorBudget: 1 },
  options: { streamBytesPerSecond: 1250000000 },
};

const counters = {
  total: 8,
  noticed: 0,
  waiting: 8,
  moving: 0,
  retrying: 0,
  moved: 0,
  unplaced: 0,
  failed: 0,
  skipped: 0,
  gone: 0,
};

const planned: z.input<typeof Evacuation> = {
  id: "evac_01M8N1VNDJ2TD7XCBRST3FAP8W",
  status: "planned",
  plannedBy: "ada",
  policy: {},
  options: { streamBytesPerSecond: 1250000000 },
  approval: {},
  tolerance: {},
  limits: { errorBudget: 1 },
  version: 1,
  approvals: [],
  approveUntil: "2026-12-01T01:42:07.322Z",
  pauses: [],
  hosts: [{ host: "host-a", state: "waiting", left: 8 }],
  counters,
  eta: {
    plannedMs: 13200,
    lowMs: 12400,
    highMs: 18900,
    lowerBoundMs: 12800,
    remainingMs: 13200,
  },
  unknownVms: [],
  createdAt: "2026-11-30T01:42:07.322Z",
  updatedAt: "2026-11-30T01:42:07.322Z",
};

const approved: z.input<typeof Evacuation> = {
  ...planned,
  status: "approved",
  approvedVersion: 1,
  consentedVersion: 1,
  approvals: [{ by: "bob", version: 1, at: "2026-11-30T01:43:11.018Z" }],
  updatedAt: "2026-11-30T01:43:11.018Z",
};

const running: z.input<typeof Evacuation> = {
  ...approved,
  status: "running",
  hosts: [{ host: "host-a", state: "draining", left: 5, begunAt: "2026-11-30T01:43:11.240Z" }],
  counters: { ...counters, waiting: 3, moving: 2, moved: 3 },
  startedAt: "2026-11-30T01:43:11.202Z",
  updatedAt: "2026-11-30T01:43:16.377Z",
};

const paused: z.input<typeof Evacuation> = {
  ...running,
  status: "paused",
  pauses: [
    {
      reason: "operator",
      author: "ada",
      message: "ticket 7",
      since: "2026-11-30T01:43:16.377Z",
      endsWith: "it waits for you: POST …/resume",
    },
  ],
};

const page: z.input<typeof EvacuationPage> = { items: [running] };

const move: z.input<typeof EvacuationMove> = {
  vm: "web1",
  state: "moved",
  source: "host-a",
  target: "host-b",
  leg: "forward",
  version: 1,
  predictedMs: 1650,
  predictedBytes: 134217728,
  predictedDowntimeMs: 120,
  startAtMs: 0,
  migration: "mig_01M8N1VNDJ2TD7XCBRST3FAP8W",
  tries: [
    {
      migration: "mig_01M8N1VNDJ2TD7XCBRST3FAP8W",
      target: "host-b",
      startedAt: "2026-11-30T01:43:11.310Z",
      endedAt: "2026-11-30T01:43:13.055Z",
      ms: 1745,
      downtimeMs: 12,
      bytes: 20971520,
    },
  ],
  updatedAt: "2026-11-30T01:43:13.101Z",
};

const noticed: z.input<typeof EvacuationMove> = {
  ...move,
  state: "noticed",
  migration: undefined,
  tries: [],
  notice: {
    givenAt: "2026-11-30T01:43:11.202Z",
    deadlineAt: "2026-11-30T13:43:11.202Z",
    latestAt: "2026-12-01T01:43:11.202Z",
    otherwise: "move",
    acknowledged: {
      by: "shop",
      at: "2026-11-30T09:14:02.771Z",
      message: "after the sale",
      notBefore: "2026-11-30T22:00:00.000Z",
    },
  },
  reason: "shop has acknowledged the move, not before 2026-11-30T22:00:00.000Z",
};

const moves: z.input<typeof MovePage> = { items: [move] };

const document = {
  moves: [{ vm: "web1", source: "host-a", target: "host-b", startAtMs: 0, endAtMs: 1650 }],
  unplaced: [],
  refusals: [],
  warnings: [],
  assumptions: ["The speed of the links of host-a, host-b is not known: 1 Gbit/s is assumed"],
};

const dryRun: z.input<typeof EvacuationDryRun> = { dryRun: true, plan: document };

const plan: z.input<typeof PlanVersion> = {
  outline: { version: 1, endMs: 13200, targets: ["host-b"], moves: 1, unplaced: 0 },
  reason: "requested",
  changes: [],
  at: "2026-11-30T01:42:07.322Z",
  plan: document,
};

const rollbackPlan: z.input<typeof RollbackPlan> = {
  moves: [{ vm: "web1", source: "host-b", target: "host-a", startAtMs: 1500, endAtMs: 3150 }],
  staying: [
    {
      vm: "db1",
      host: "host-b",
      home: "host-a",
      blockers: [
        {
          code: "memory-short",
          message: "host-a has 16 GiB free, it needs 48 GiB: new1 has it",
          cure: "Move new1 off host-a",
        },
      ],
    },
  ],
  eta: { ms: 3150, lowMs: 2400, highMs: 4600 },
  lowerBoundMs: 2900,
};

const limits: z.input<typeof EvacuationLimits> = { movesAtOnce: 1 };
const approving: z.input<typeof Approving> = { version: 1, by: "bob" };
const acknowledging: z.input<typeof Acknowledging> = {
  by: "shop",
  message: "after the sale",
  notBefore: "2026-11-30T22:00:00.000Z",
};
const acting: z.input<typeof Acting> = { by: "ada", message: "ticket 7" };

/** Requests and answers of an evacuation; lists are cut. */
export const evacuationExamples = {
  request,
  dryRun,
  planned,
  approved,
  running,
  paused,
  page,
  plan,
  rollbackPlan,
  move,
  moves,
  limits,
  approving,
  acting,
  acknowledging,
  noticed,
};
