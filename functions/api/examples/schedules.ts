import type * as z from "zod";
import type { ChangeFreeze, ChangeFreezeView } from "../../../core/schedule/change-freeze.ts";
import type {
  Schedule,
  ScheduleChange,
  SchedulePreview,
  ScheduleRequest,
} from "../../../core/schedule/schedule.ts";
import type { Acting } from "../bodies/evacuations.ts";
import type {
  ChangeFreezes,
  ScheduleDryRun,
  SchedulePage,
  WindowChoice,
} from "../bodies/schedules.ts";

const id = "sch_01M8N1VNDJ2TD7XCBRST3FAP8W";

const request: z.input<typeof ScheduleRequest> = {
  name: "kernel updates",
  by: "ada",
  starts: { cron: "0 22 * * SAT", zone: "Europe/Berlin" },
  durationMs: 14400000,
  hosts: { labels: { rack: "7" }, needs: [{ fact: "kernel", below: "6.12.41" }] },
  options: { hostsAtOnce: 1 },
};

const next = [
  {
    key: `${id}@2026-12-05T21:00:00.000Z`,
    startsAt: "2026-12-05T21:00:00.000Z",
    endsAt: "2026-12-06T01:00:00.000Z",
    open: [{ from: "2026-12-05T21:00:00.000Z", until: "2026-12-06T01:00:00.000Z" }],
  },
];

const listed: z.input<typeof Schedule> = {
  id,
  ...request,
  next,
  evacuation: "evac_01M8N1VNDJ2TD7XCBRST3FAP8W",
  createdAt: "2026-11-27T09:00:00.000Z",
  updatedAt: "2026-11-27T09:00:00.000Z",
};

const schedule: z.input<typeof Schedule> = {
  ...listed,
  runs: [
    {
      startsAt: "2026-11-28T21:00:00.000Z",
      outcome: "started",
      evacuation: "evac_01M8N1VNDJ2TD7XCBRST3FAP8W",
      lateMs: 812,
      deliveries: 1,
    },
  ],
};

const paused: z.input<typeof Schedule> = {
  ...schedule,
  next: [],
  paused: { author: "ada", message: "ticket 7", since: "2026-11-30T09:00:00.000Z" },
};

const preview: z.input<typeof SchedulePreview> = {
  next,
  hosts: ["host-a"],
  skipped: [{ host: "host-b", reason: "Its kernel is 6.12.41-amd64" }],
  moves: 8,
  unplaced: 0,
  lowerBoundMs: 12800,
  etaMs: 13200,
  warnings: [],
};

const dryRun: z.input<typeof ScheduleDryRun> = { dryRun: true, preview };
const page: z.input<typeof SchedulePage> = { items: [listed] };
const change: z.input<typeof ScheduleChange> = { durationMs: 7200000 };
const acting: z.input<typeof Acting> = { by: "ada", message: "ticket 7" };

const choice: z.input<typeof WindowChoice> = { ...acting, startsAt: "2026-12-05T21:00:00.000Z" };
const skipping: z.input<typeof Schedule> = {
  ...schedule,
  next: [],
  skipped: [
    {
      startsAt: "2026-12-05T21:00:00.000Z",
      author: "ada",
      message: "ticket 7",
      since: "2026-11-30T09:00:00.000Z",
    },
  ],
};
const ran: z.input<typeof Schedule> = {
  ...schedule,
  extra: { startsAt: "2026-12-02T14:00:00.000Z", author: "ada", message: "ticket 7" },
  current: {
    key: `${id}@2026-12-02T14:00:00.000Z`,
    startsAt: "2026-12-02T14:00:00.000Z",
    endsAt: "2026-12-02T18:00:00.000Z",
    open: [{ from: "2026-12-02T14:00:00.000Z", until: "2026-12-02T18:00:00.000Z" }],
  },
};

const freeze: z.input<typeof ChangeFreeze> = {
  from: "2026-12-20T00:00",
  until: "2027-01-04T08:00",
  zone: "Europe/Berlin",
  owner: "ops",
  message: "holidays",
};
const freezeView: z.input<typeof ChangeFreezeView> = {
  id: "frz_01M8N1VNDJ2TD7XCBRST3FAP8W",
  ...freeze,
  startsAt: "2026-12-19T23:00:00.000Z",
  endsAt: "2027-01-04T07:00:00.000Z",
};
const freezes: z.input<typeof ChangeFreezes> = { items: [freezeView] };

/** Requests and answers of schedules and change freezes; lists are cut. */
export const scheduleExamples = {
  request,
  dryRun,
  schedule,
  paused,
  page,
  preview,
  change,
  acting,
  choice,
  skipping,
  ran,
  freeze,
  freezeView,
  freezes,
};
