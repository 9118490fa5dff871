import type { InferRequestType } from "hono/client";
import { type Api, json } from "./api.ts";

type NewMigration = InferRequestType<Api["migrations"]["$post"]>["json"];
type MigrationPage = InferRequestType<Api["migrations"]["$get"]>["query"];
type SamplePage = InferRequestType<Api["migrations"][":id"]["samples"]["$get"]>["query"];
type TimelinePage = InferRequestType<Api["migrations"][":id"]["timeline"]["$get"]>["query"];

export function migrationOperations({ migrations }: Api) {
  const one = migrations[":id"];
  const request = (migration: NewMigration, dryRun: "true" | "false", key?: string) =>
    migrations.$post({
      json: migration,
      query: { dryRun },
      header: key === undefined ? {} : { "idempotency-key": key },
    });
  return {
    createMigration: async (migration: NewMigration, idempotencyKey?: string) => {
      const answer = await request(migration, "false", idempotencyKey);
      if (answer.status !== 202) throw new Error(`Expected status 202, got ${answer.status}`);
      return answer.json();
    },
    /** `createMigration` with `dryRun=true`. */
    dryRunMigration: async (migration: NewMigration) => {
      const answer = await request(migration, "true");
      if (answer.status !== 200) throw new Error(`Expected status 200, got ${answer.status}`);
      return answer.json();
    },
    listMigrations: (query: MigrationPage = {}) => json(migrations.$get({ query })),
    getMigration: (id: string) => json(one.$get({ param: { id } })),
    getTimeline: (id: string, query: TimelinePage = {}) =>
      json(one.timeline.$get({ param: { id }, query })),
    listSamples: (id: string, query: SamplePage = {}) =>
      json(one.samples.$get({ param: { id }, query })),
    setBandwidth: (id: string, maxBandwidthBytesPerSecond: number) =>
      json(one.$patch({ param: { id }, json: { maxBandwidthBytesPerSecond } })),
    permitSwitchover: (id: string) => json(one.switchover.$post({ param: { id } })),
    waiveAck: (id: string) => json(one["waive-ack"].$post({ param: { id } })),
    cancelMigration: (id: string) => json(one.cancel.$post({ param: { id } })),
  };
}
