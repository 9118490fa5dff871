import type * as z from "zod";
import type { SamplePage, Timeline } from "../bodies/migrations.ts";

const timeline: z.input<typeof Timeline> = {
  items: [
    {
      at: "2026-11-30T01:42:08.050Z",
      origin: "cloud",
      type: "migration.requested",
      detail: {
        source: "host-a",
        target: "host-b",
      },
    },
    {
      at: "2026-11-30T01:42:08.050Z",
      origin: "cloud",
      type: "phase.entered",
      detail: {
        phase: "admit",
      },
    },
    {
      at: "2026-11-30T01:42:08.149Z",
      origin: "host-b",
      type: "command.completed",
      detail: {
        verb: "target.probe",
      },
    },
    {
      at: "2026-11-30T01:42:08.644Z",
      origin: "host-a",
      type: "migration.started",
      detail: {},
    },
    {
      at: "2026-11-30T01:42:08.645Z",
      origin: "host-a",
      type: "migration.acked",
      detail: {
        evidence: "trace",
        pending: 0,
      },
    },
    {
      at: "2026-11-30T01:42:09.154Z",
      origin: "host-a",
      type: "migration.held",
      detail: {},
    },
    {
      at: "2026-11-30T01:42:09.274Z",
      origin: "host-a",
      type: "migration.gate-opened",
      detail: {
        by: "command",
      },
    },
    {
      at: "2026-11-30T01:42:09.321Z",
      origin: "host-a",
      type: "migration.stopped",
      detail: {},
    },
    {
      at: "2026-11-30T01:42:09.506Z",
      origin: "host-b",
      type: "migration.target-arrived",
      detail: { runState: "running" },
    },
    {
      at: "2026-11-30T01:42:09.559Z",
      origin: "cloud",
      type: "migration.ended",
      detail: {
        status: "completed",
        runningOn: "host-b",
        endState: { host: "host-b", state: "running", runState: "running" },
      },
    },
  ],
};

const samples: z.input<typeof SamplePage> = {
  items: [
    {
      at: "2026-11-30T01:42:09.155Z",
      progress: {
        status: "active",
        totalTimeMs: 506,
        ramTotalBytes: 134750208,
        ramTransferredBytes: 5554371,
        ramRemainingBytes: 0,
        dirtyBytesPerSecond: 0,
        dirtySyncCount: 1,
        bandwidthBytesPerSecond: 2992412,
        expectedDowntimeMs: 0,
      },
    },
  ],
};

/** Answers as a fleet with QEMU 10.0 gave them; the timeline has one entry of each kind. */
export const progressExamples = { timeline, samples };
