import { createRoute, z } from "@hono/zod-openapi";
import { HostId, MigrationId, VmId } from "../../core/id.ts";
import {
  Migration,
  MigrationStatus,
  Sample,
  TimelineEntry,
} from "../../core/migration/migration.ts";
import { Agreement, Blocker } from "../../core/negotiate/agreement.ts";
import { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { requireStorable } from "../http/storable.ts";
import { listMigrations, publicMigration } from "../store/migration-record.ts";
import { listSamples } from "../store/timeline.ts";
import { cancelMigration } from "./cancel-migration.ts";
import { requestMigration } from "./create-migration.ts";
import { dryRun } from "./dry-run.ts";
import { limitBandwidth } from "./limit-bandwidth.ts";
import { permitSwitchover } from "./permit-switchover.ts";
import { requireSoundPolicy } from "./policy-problem.ts";
import { answer, body, limit, pick, routes } from "./routing.ts";
import { migrationOrProblem, timelineOf } from "./timeline.ts";
import { waiveAck } from "./waive-ack.ts";

const NewMigration = z.strictObject({
  vm: VmId,
  target: HostId,
  policy: MigrationPolicy.prefault({}),
});

const DryRun = z.strictObject({
  dryRun: z.literal(true),
  agreed: z.boolean(),
  agreement: Agreement.optional(),
  blockers: z.array(Blocker),
});

const one = { params: z.strictObject({ id: MigrationId }) };

const create = createRoute({
  method: "post",
  path: "/v1/migrations",
  summary: "Moves a VM to another host; as a dry run, says whether and how it would go",
  request: {
    ...body(NewMigration),
    query: z.strictObject({ dryRun: z.enum(["true", "false"]).default("false") }),
    headers: z.object({
      /** The same key with the same body is the same migration, for a day. */
      "idempotency-key": z
        .string()
        .regex(/^[\x21-\x7e]{1,255}$/, "expected 1 to 255 visible ASCII characters")
        .optional(),
    }),
  },
  responses: {
    200: answer("What a dry run found", DryRun),
    202: answer("The migration", Migration),
    ...pick(401, 404, 409, 413, 422, 503),
  },
});

const list = createRoute({
  method: "get",
  path: "/v1/migrations",
  summary: "Lists migrations, newest first",
  request: {
    query: z.strictObject({
      vm: VmId.optional(),
      status: MigrationStatus.optional(),
      limit,
      after: MigrationId.optional(),
    }),
  },
  responses: {
    200: answer(
      "A page of migrations",
      z.strictObject({ items: z.array(Migration), next: z.string().optional() }),
    ),
    ...pick(401, 422),
  },
});

const get = createRoute({
  method: "get",
  path: "/v1/migrations/{id}",
  summary: "Shows a migration",
  request: one,
  responses: { 200: answer("The migration", Migration), ...pick(401, 404, 422) },
});

const timeline = createRoute({
  method: "get",
  path: "/v1/migrations/{id}/timeline",
  summary: "What happened, oldest first; each entry by the clock of its origin",
  request: one,
  responses: {
    200: answer("The timeline", z.strictObject({ items: z.array(TimelineEntry) })),
    ...pick(401, 404, 422),
  },
});

const samples = createRoute({
  method: "get",
  path: "/v1/migrations/{id}/samples",
  summary: "Progress over time, oldest first",
  request: {
    ...one,
    query: z.strictObject({
      limit,
      after: z
        .string()
        .regex(/^\d{16}#[a-z0-9-]{1,63}#\d{16}$/)
        .optional(),
    }),
  },
  responses: {
    200: answer(
      "A page of samples",
      z.strictObject({ items: z.array(Sample), next: z.string().optional() }),
    ),
    ...pick(401, 404, 422),
  },
});

const cancel = createRoute({
  method: "post",
  path: "/v1/migrations/{id}/cancel",
  summary: "Asks for the way back; refused once the guest has stopped on the source",
  request: one,
  responses: { 202: answer("The migration, ending", Migration), ...pick(401, 404, 409, 422) },
});

const change = createRoute({
  method: "patch",
  path: "/v1/migrations/{id}",
  summary: "Changes the bandwidth limit of a migration that sends; 0 is unlimited",
  request: {
    ...one,
    ...body(
      z.strictObject({
        maxBandwidthBytesPerSecond: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
      }),
    ),
  },
  responses: { 202: answer("The migration", Migration), ...pick(401, 404, 409, 413, 422) },
});

const switchover = createRoute({
  method: "post",
  path: "/v1/migrations/{id}/switchover",
  summary: "Gives leave to switch over to a migration that holds",
  request: one,
  responses: { 202: answer("The migration", Migration), ...pick(401, 404, 409, 422) },
});

const goWithoutAck = createRoute({
  method: "post",
  path: "/v1/migrations/{id}/waive-ack",
  summary: "Ends the wait for an overdue ACK: a successor goes without it",
  request: one,
  responses: { 202: answer("The migration, ending", Migration), ...pick(401, 404, 409, 422) },
});

export const migrations = routes()
  .openapi(create, async (context) => {
    const request = context.req.valid("json");
    requireStorable(request);
    requireSoundPolicy(request.policy);
    if (context.req.valid("query").dryRun === "true") {
      return context.json(await dryRun(request), 200);
    }
    const key = context.req.valid("header")["idempotency-key"];
    const { migration, replayed } = await requestMigration(request, key);
    context.header("location", `/v1/migrations/${migration.id}`);
    if (replayed) context.header("idempotency-replayed", "true");
    return context.json(publicMigration(migration), 202);
  })
  .openapi(list, async (context) => {
    const { vm, status, ...page } = context.req.valid("query");
    return context.json(await listMigrations({ vm, status }, page), 200);
  })
  .openapi(get, async (context) => {
    const migration = await migrationOrProblem(context.req.valid("param").id);
    return context.json(publicMigration(migration), 200);
  })
  .openapi(timeline, async (context) =>
    context.json({ items: await timelineOf(context.req.valid("param").id) }, 200),
  )
  .openapi(samples, async (context) => {
    const { id } = context.req.valid("param");
    const [, page] = await Promise.all([
      migrationOrProblem(id),
      listSamples(id, context.req.valid("query")),
    ]);
    return context.json(page, 200);
  })
  .openapi(change, async (context) => {
    const { maxBandwidthBytesPerSecond } = context.req.valid("json");
    const { id } = context.req.valid("param");
    const migration = await limitBandwidth(id, maxBandwidthBytesPerSecond);
    return context.json(publicMigration(migration), 202);
  })
  .openapi(switchover, async (context) =>
    context.json(publicMigration(await permitSwitchover(context.req.valid("param").id)), 202),
  )
  .openapi(goWithoutAck, async (context) =>
    context.json(publicMigration(await waiveAck(context.req.valid("param").id)), 202),
  )
  .openapi(cancel, async (context) =>
    context.json(publicMigration(await cancelMigration(context.req.valid("param").id)), 202),
  );
