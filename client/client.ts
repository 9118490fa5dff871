import { hc, type InferRequestType } from "hono/client";
import type { Routes } from "../functions/api/app.ts";
import { authorizedFetch } from "./authorized-fetch.ts";
import { type Api, json, type Page } from "./operations/api.ts";
import { evacuationOperations } from "./operations/evacuations.ts";
import { hostOperations } from "./operations/hosts.ts";
import { migrationOperations } from "./operations/migrations.ts";
import { scheduleOperations } from "./operations/schedules.ts";
import { vmOperations } from "./operations/vms.ts";
import { webhookOperations } from "./operations/webhooks.ts";

export type ClientOptions = {
  readonly url: string;
  readonly token: string;
  /** Makes the requests; the platform's by default. */
  readonly fetch?: typeof fetch;
};

type TenantChange = InferRequestType<Api["tenants"][":name"]["$patch"]>["json"];
type NewPolicy = InferRequestType<Api["policies"]["check"]["$post"]>["json"];
type EventQuery = InferRequestType<Api["events"]["$get"]>["query"];
type AuditQuery = InferRequestType<Api["audit"]["$get"]>["query"];

export type Client = ReturnType<typeof createClient>;

/**
 * The API's operations by their operationId. The types of requests and answers are those of the
 * routes.
 *
 * ```ts
 * const api = createClient({ url, token });
 * const { id } = await api.createMigration({ vm: "web1", target: "host-b" });
 * ```
 *
 * @throws ApiError from each operation, when the answer is not 2xx
 */
export function createClient({ url, token, fetch: send = globalThis.fetch }: ClientOptions) {
  const authorized = authorizedFetch(token, send);
  const { v1, metrics } = hc<Routes>(url, { fetch: authorized });
  return {
    url,
    /** Any request by its path, with the token, for what has no operation here. */
    request: async <T>(
      method: string,
      path: string,
      body?: unknown,
      headers: Record<string, string> = {},
    ): Promise<T> => {
      const content = body === undefined ? {} : { "content-type": "application/json" };
      const answer = await authorized(`${url}${path}`, {
        method,
        headers: { ...content, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      return (text === "" ? {} : JSON.parse(text)) as T;
    },
    /** OpenMetrics text. */
    getMetrics: async () => (await metrics.$get()).text(),
    getHealth: () => json(v1.health.$get()),
    getOpenApiDocument: () => json(v1["openapi.json"].$get()),
    getFleet: async () => {
      const answer = await v1.fleet.$get({ header: {} });
      if (answer.status !== 200) throw new Error(`Expected status 200, got ${answer.status}`);
      return answer.json();
    },
    /** `getFleet` unless the answer would be the one with this `etag`: undefined. */
    getFleetIfChanged: async (etag: string | undefined) => {
      const header = etag === undefined ? {} : { "if-none-match": etag };
      const answer = await v1.fleet.$get({ header });
      if (answer.status === 304) return undefined;
      return { etag: answer.headers.get("etag") ?? undefined, fleet: await answer.json() };
    },
    listEvents: (query: EventQuery = {}) => json(v1.events.$get({ query })),
    listAudit: (query: AuditQuery = {}) => json(v1.audit.$get({ query })),
    ...hostOperations(v1),
    ...vmOperations(v1),
    listTenants: (query: Page = {}) => json(v1.tenants.$get({ query })),
    getTenant: (name: string) => json(v1.tenants[":name"].$get({ param: { name } })),
    changeTenant: (name: string, change: TenantChange) =>
      json(v1.tenants[":name"].$patch({ param: { name }, json: change })),
    importDefinition: (commandLine: string) =>
      json(v1.definitions.import.$post({ json: { commandLine } })),
    checkPolicy: (policy: NewPolicy) => json(v1.policies.check.$post({ json: policy })),
    ...migrationOperations(v1),
    ...evacuationOperations(v1),
    ...scheduleOperations(v1),
    ...webhookOperations(v1),
  };
}
