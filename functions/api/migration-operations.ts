import * as z from "zod";
import { MigrationId, VmId } from "../../core/id.ts";
import { Migration, MigrationStatus } from "../../core/migration/migration.ts";
import {
  BandwidthLimit,
  DryRun,
  MigrationPage,
  NewMigration,
  SamplePage,
  Timeline,
} from "./bodies/migrations.ts";
import { migrationExamples } from "./examples/migrations.ts";
import { progressExamples } from "./examples/progress.ts";
import {
  answer,
  body,
  createRoute,
  HOST_STATES,
  pageQuery,
  READ,
  refusals,
  SEND,
  WRITE,
} from "./routing.ts";

const tags = ["Migrations"];
/** A row of a migration: its time, ms, its host, its number. */
const RowCursor = z.string().regex(/^[0-7]\d{15}#[a-z0-9-]{1,63}#\d{16}$/);
/** Events of a page of a timeline. */
const TIMELINE_MAX = 1_000;
/** One status or several, as `running,unknown`. */
const oneStatus = `(${MigrationStatus.options.join("|")})`;
const Statuses = z
  .string()
  .regex(
    new RegExp(`^${oneStatus}(,${oneStatus}){0,4}$`),
    `expected statuses separated by commas, of ${MigrationStatus.options.join(", ")}`,
  )
  .transform((text) => text.split(",").map((one) => MigrationStatus.parse(one)));
const byId = { params: z.strictObject({ id: MigrationId }) };

export const create = createRoute({
  method: "post",
  path: "/v1/migrations",
  operationId: "createMigration",
  tags,
  summary: "Migrate a VM to another host",
  description:
    "Answers as soon as the migration is recorded; follow it by `getMigration`. With `dryRun=true` " +
    "both sides are probed and negotiated, a target is started, compared with the guest and ended, " +
    "nothing is recorded, and the answer is 200 with a `DryRun`.",
  request: {
    ...body(NewMigration, migrationExamples.newMigration),
    query: z.strictObject({
      dryRun: z
        .enum(["true", "false"])
        .default("false")
        .meta({ description: "Only report whether and how the migration would go" }),
    }),
    headers: z.object({
      "idempotency-key": z
        .string()
        .regex(/^[\x21-\x7e]{1,255}$/, "expected 1 to 255 visible ASCII characters")
        .optional()
        .meta({
          description:
            "For a day, the same key with the same body is the same migration. The answer to a " +
            "repeated request has the header `idempotency-replayed: true`.",
        }),
    }),
  },
  responses: {
    200: answer("What a dry run found", DryRun, migrationExamples.dryRun),
    202: {
      ...answer("The migration", Migration, migrationExamples.requested),
      headers: z.object({
        location: z.string().meta({ description: "Path of the migration" }),
        "idempotency-replayed": z.literal("true").optional(),
      }),
    },
    ...refusals(
      SEND,
      "vm-not-found",
      "host-not-found",
      "source-is-target",
      "vm-locked",
      "vm-unknown",
      "vm-changed",
      "vm-not-running",
      "pinned",
      "label-missing",
      "anti-affinity",
      ...HOST_STATES,
      "idempotency-key-reused",
      "workflow-unavailable",
      "probe-failed",
      "host-silent",
      "host-unreachable",
    ),
  },
});

export const list = createRoute({
  method: "get",
  path: "/v1/migrations",
  operationId: "listMigrations",
  tags,
  summary: "List migrations, newest first",
  request: {
    query: z.strictObject({
      vm: VmId.optional().meta({ param: { description: "Only migrations of this VM" } }),
      status: Statuses.optional().meta({
        example: "running,unknown",
        param: { description: "Only with one of these statuses, separated by commas" },
      }),
      ...pageQuery(MigrationId),
    }),
  },
  responses: {
    200: answer("A page of migrations", MigrationPage, migrationExamples.page),
    ...refusals(READ),
  },
});

export const get = createRoute({
  method: "get",
  path: "/v1/migrations/{id}",
  operationId: "getMigration",
  tags,
  summary: "Show a migration",
  request: byId,
  responses: {
    200: answer("The migration", Migration, migrationExamples.completed),
    ...refusals(READ, "migration-not-found"),
  },
});

export const getTimeline = createRoute({
  method: "get",
  path: "/v1/migrations/{id}/timeline",
  operationId: "getTimeline",
  tags,
  summary: "Show the timeline of a migration",
  description:
    "The events of both hosts and the steps of the cloud, oldest first. Each entry has the time of " +
    "its origin's clock. `limit` and `next` are of the hosts' events: the cloud's steps come in " +
    "addition, with the events of their time.",
  request: {
    ...byId,
    query: z.strictObject({
      limit: z.coerce
        .number()
        .int()
        .min(1)
        .max(TIMELINE_MAX)
        .default(TIMELINE_MAX)
        .meta({ param: { description: "Events of the page" } }),
      after: pageQuery(RowCursor).after,
    }),
  },
  responses: {
    200: answer("The timeline", Timeline, progressExamples.timeline),
    ...refusals(READ, "migration-not-found"),
  },
});

export const listSamples = createRoute({
  method: "get",
  path: "/v1/migrations/{id}/samples",
  operationId: "listSamples",
  tags,
  summary: "List the progress of a migration, oldest first",
  request: {
    ...byId,
    query: z.strictObject(pageQuery(RowCursor)),
  },
  responses: {
    200: answer("A page of samples", SamplePage, progressExamples.samples),
    ...refusals(READ, "migration-not-found"),
  },
});

export const setBandwidth = createRoute({
  method: "patch",
  path: "/v1/migrations/{id}",
  operationId: "setBandwidth",
  tags,
  summary: "Change the bandwidth limit of a running migration",
  description: "Between the start of the transfer and the stop of the guest; 0 is unlimited.",
  request: { ...byId, ...body(BandwidthLimit, migrationExamples.bandwidth) },
  responses: {
    202: answer("The migration", Migration, migrationExamples.limited),
    ...refusals(
      SEND,
      "migration-not-found",
      "migration-over",
      "migration-not-started",
      "migration-cancelling",
      "migration-switching-over",
      "too-many-changes",
      "host-unreachable",
    ),
  },
});

export const permitSwitchover = createRoute({
  method: "post",
  path: "/v1/migrations/{id}/switchover",
  operationId: "permitSwitchover",
  tags,
  summary: "Permit a gated migration to switch over",
  description: "May come before the migration holds. A repeated request changes nothing.",
  request: byId,
  responses: {
    202: answer("The migration", Migration, migrationExamples.permitted),
    ...refusals(
      WRITE,
      "migration-not-found",
      "migration-over",
      "migration-cancelling",
      "not-gated",
      "host-unreachable",
    ),
  },
});

export const waiveAck = createRoute({
  method: "post",
  path: "/v1/migrations/{id}/waive-ack",
  operationId: "waiveAck",
  tags,
  summary: "End the wait for an overdue switchover ACK",
  description:
    "The migration is taken back, the guest keeps running on the source, and a successor migrates " +
    "it without the ACK.",
  request: byId,
  responses: {
    202: answer("The migration, ending", Migration, migrationExamples.waived),
    ...refusals(
      WRITE,
      "migration-not-found",
      "migration-over",
      "not-waiting-for-ack",
      "workflow-unavailable",
    ),
  },
});

export const cancel = createRoute({
  method: "post",
  path: "/v1/migrations/{id}/cancel",
  operationId: "cancelMigration",
  tags,
  summary: "Cancel a migration",
  description:
    "The guest stays on the source and the target's process is ended. Refused once the guest has " +
    "stopped on the source.",
  request: byId,
  responses: {
    202: answer("The migration, ending", Migration, migrationExamples.cancelling),
    ...refusals(
      WRITE,
      "migration-not-found",
      "migration-over",
      "past-point-of-no-return",
      "workflow-unavailable",
    ),
  },
});
