import { cancelMigration } from "../service/cancel-migration.ts";
import { dryRun } from "../service/dry-run.ts";
import { limitBandwidth } from "../service/limit-bandwidth.ts";
import { permitByOperator } from "../service/permit-by-operator.ts";
import { isQueued, readQueue } from "../service/queue-state.ts";
import { readTimeline } from "../service/read-timeline.ts";
import { requestMigration } from "../service/request-migration.ts";
import { requireMigration } from "../service/require-migration.ts";
import { waiveAck } from "../service/waive-ack.ts";
import { listMigrations, publicMigration } from "../store/migration-record.ts";
import { listSamples } from "../store/timeline.ts";
import * as operations from "./migration-operations.ts";
import { requireSoundPolicy } from "./policy-problem.ts";
import { routes } from "./routing.ts";

export const migrations = routes()
  .openapi(operations.create, async (context) => {
    const request = context.req.valid("json");
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
  .openapi(operations.list, async (context) => {
    const { vm, status, ...page } = context.req.valid("query");
    return context.json(await listMigrations({ vm, status }, page), 200);
  })
  .openapi(operations.get, async (context) => {
    const migration = await requireMigration(context.req.valid("param").id);
    const queue = isQueued(migration) ? await readQueue(migration) : undefined;
    const shown = publicMigration(migration);
    return context.json(queue === undefined ? shown : { ...shown, queue }, 200);
  })
  .openapi(operations.getTimeline, async (context) => {
    const { id } = context.req.valid("param");
    return context.json(await readTimeline(id, context.req.valid("query")), 200);
  })
  .openapi(operations.listSamples, async (context) => {
    const { id } = context.req.valid("param");
    const [, page] = await Promise.all([
      requireMigration(id),
      listSamples(id, context.req.valid("query")),
    ]);
    return context.json(page, 200);
  })
  .openapi(operations.setBandwidth, async (context) => {
    const { maxBandwidthBytesPerSecond } = context.req.valid("json");
    const { id } = context.req.valid("param");
    const migration = await limitBandwidth(id, maxBandwidthBytesPerSecond);
    return context.json(publicMigration(migration), 202);
  })
  .openapi(operations.permitSwitchover, async (context) =>
    context.json(publicMigration(await permitByOperator(context.req.valid("param").id)), 202),
  )
  .openapi(operations.waiveAck, async (context) =>
    context.json(publicMigration(await waiveAck(context.req.valid("param").id)), 202),
  )
  .openapi(operations.cancel, async (context) =>
    context.json(publicMigration(await cancelMigration(context.req.valid("param").id)), 202),
  );
