import { hc, type InferRequestType } from "hono/client";
import type { Routes } from "../functions/api/app.ts";
import { ApiError, parseProblem } from "./api-error.ts";

/** Longest wait for an answer, ms. */
const TIMEOUT_MS = 30_000;
/** Of a request that is refused since the caller asks too often. */
const TRIES_MAX = 5;
const PAUSE_MS_MAX = 10_000;

export type ClientOptions = {
  readonly url: string;
  readonly token: string;
  /** Makes the requests; the platform's by default. */
  readonly fetch?: typeof fetch;
};

type Api = ReturnType<typeof hc<Routes>>["v1"];
type TenantChange = InferRequestType<Api["tenants"][":name"]["$patch"]>["json"];
type NewHost = InferRequestType<Api["hosts"]["$post"]>["json"];
type HostChange = InferRequestType<Api["hosts"][":id"]["$patch"]>["json"];
type HostRequest = InferRequestType<Api["hosts"][":id"]["cordon"]["$post"]>["json"];
type JoinTokenWish = InferRequestType<Api["hosts"][":id"]["join-token"]["$post"]>["json"];
type NewVm = InferRequestType<Api["vms"]["$post"]>["json"];
type NewMigration = InferRequestType<Api["migrations"]["$post"]>["json"];
type EventQuery = InferRequestType<Api["events"]["$get"]>["query"];
type AuditQuery = InferRequestType<Api["audit"]["$get"]>["query"];
type Page = InferRequestType<Api["hosts"]["$get"]>["query"];
type MigrationPage = InferRequestType<Api["migrations"]["$get"]>["query"];
type SamplePage = InferRequestType<Api["migrations"][":id"]["samples"]["$get"]>["query"];
type TimelinePage = InferRequestType<Api["migrations"][":id"]["timeline"]["$get"]>["query"];
type NewEvacuation = InferRequestType<Api["evacuations"]["$post"]>["json"];
type EvacuationPage = InferRequestType<Api["evacuations"]["$get"]>["query"];
type EvacuationLimits = InferRequestType<Api["evacuations"][":id"]["$patch"]>["json"];
type Acting = InferRequestType<Api["evacuations"][":id"]["pause"]["$post"]>["json"];
type NewSchedule = InferRequestType<Api["schedules"]["$post"]>["json"];
type SchedulePage = InferRequestType<Api["schedules"]["$get"]>["query"];
type ScheduleChange = InferRequestType<Api["schedules"][":id"]["$patch"]>["json"];
type NewChangeFreeze = InferRequestType<Api["change-freezes"]["$post"]>["json"];
type NewWebhook = InferRequestType<Api["webhooks"]["$post"]>["json"];
type WebhookChange = InferRequestType<Api["webhooks"][":id"]["$patch"]>["json"];
type VmChange = InferRequestType<Api["vms"][":id"]["$patch"]>["json"];
type Devices = Api["vms"][":id"]["devices"];
type NewDevice = InferRequestType<Devices["$post"]>["json"];
type MediumChange = InferRequestType<Devices[":device"]["medium"]["$put"]>["json"];
type EjectQuery = InferRequestType<Devices[":device"]["medium"]["$delete"]>["query"];
type StopMode = InferRequestType<Api["vms"][":id"]["$delete"]>["query"];

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
    ...migrationOperations(v1),
    ...evacuationOperations(v1),
    ...scheduleOperations(v1),
    ...webhookOperations(v1),
  };
}

function hostOperations({ hosts }: Api) {
  return {
    createHost: (host: NewHost) => json(hosts.$post({ json: host })),
    listHosts: (query: Page = {}) => json(hosts.$get({ query })),
    getHost: (id: string) => json(hosts[":id"].$get({ param: { id } })),
    listGuests: (id: string) => json(hosts[":id"].guests.$get({ param: { id } })),
    changeHost: (id: string, change: HostChange) =>
      json(hosts[":id"].$patch({ param: { id }, json: change })),
    cordonHost: (id: string, by: HostRequest = {}) =>
      json(hosts[":id"].cordon.$post({ param: { id }, json: by })),
    uncordonHost: (id: string, by: HostRequest = {}) =>
      json(hosts[":id"].uncordon.$post({ param: { id }, json: by })),
    maintainHost: (id: string, by: HostRequest = {}) =>
      json(hosts[":id"].maintenance.$post({ param: { id }, json: by })),
    confirmHostDown: (id: string, by: HostRequest = {}) =>
      json(hosts[":id"]["confirm-down"].$post({ param: { id }, json: by })),
    returnHost: (id: string) => json(hosts[":id"].return.$post({ param: { id } })),
    issueJoinToken: (id: string, wish: JoinTokenWish = {}) =>
      json(hosts[":id"]["join-token"].$post({ param: { id }, json: wish })),
    rotateHostKey: (id: string) => json(hosts[":id"]["rotate-key"].$post({ param: { id } })),
    revokeHostKey: (id: string) => json(hosts[":id"]["revoke-key"].$post({ param: { id } })),
    retireHost: (id: string, by: HostRequest = {}) =>
      json(hosts[":id"].retire.$post({ param: { id }, json: by })),
  };
}

function vmOperations({ vms }: Api) {
  return {
    createVm: async (vm: NewVm) => {
      const answer = await vms.$post({ json: vm });
      if (answer.status !== 202) throw new Error(`Expected status 202, got ${answer.status}`);
      return answer.json();
    },
    /** `createVm` with the definition `discover`: nothing is adopted. */
    discoverVm: async (vm: Omit<NewVm, "definition">) => {
      const answer = await vms.$post({ json: { ...vm, definition: "discover" } });
      if (answer.status !== 200) throw new Error(`Expected status 200, got ${answer.status}`);
      return answer.json();
    },
    listVms: (query: Page = {}) => json(vms.$get({ query })),
    getVm: (id: string) => json(vms[":id"].$get({ param: { id } })),
    defineVm: (id: string, change: VmChange) =>
      json(vms[":id"].$patch({ param: { id }, json: change })),
    plugDevice: (id: string, newDevice: NewDevice) =>
      json(vms[":id"].devices.$post({ param: { id }, json: newDevice })),
    unplugDevice: (id: string, device: string) =>
      json(vms[":id"].devices[":device"].$delete({ param: { id, device } })),
    insertMedium: (id: string, device: string, medium: MediumChange) =>
      json(vms[":id"].devices[":device"].medium.$put({ param: { id, device }, json: medium })),
    ejectMedium: (id: string, device: string, query: EjectQuery = {}) =>
      json(vms[":id"].devices[":device"].medium.$delete({ param: { id, device }, query })),
    pauseVm: (id: string) => json(vms[":id"].pause.$post({ param: { id } })),
    resumeVm: (id: string) => json(vms[":id"].resume.$post({ param: { id } })),
    resetVm: (id: string) => json(vms[":id"].reset.$post({ param: { id } })),
    powerdownVm: (id: string) => json(vms[":id"].powerdown.$post({ param: { id } })),
    getPlacement: (id: string) => json(vms[":id"].placement.$get({ param: { id } })),
    reconcileVm: (id: string) => json(vms[":id"].reconcile.$post({ param: { id } })),
    /** The VM, which was asked to stop; undefined when its record was removed. */
    deleteVm: async (id: string, query: StopMode = {}) => {
      const answer = await vms[":id"].$delete({ param: { id }, query });
      return answer.status === 204 ? undefined : answer.json();
    },
  };
}

function migrationOperations({ migrations }: Api) {
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

function evacuationOperations({ evacuations }: Api) {
  const one = evacuations[":id"];
  const request = (evacuation: NewEvacuation, dryRun: "true" | "false", key?: string) =>
    evacuations.$post({
      json: evacuation,
      query: { dryRun },
      header: key === undefined ? {} : { "idempotency-key": key },
    });
  return {
    createEvacuation: async (evacuation: NewEvacuation, idempotencyKey?: string) => {
      const answer = await request(evacuation, "false", idempotencyKey);
      if (answer.status !== 201) throw new Error(`Expected status 201, got ${answer.status}`);
      return answer.json();
    },
    /** `createEvacuation` with `dryRun=true`. */
    dryRunEvacuation: async (evacuation: NewEvacuation) => {
      const answer = await request(evacuation, "true");
      if (answer.status !== 200) throw new Error(`Expected status 200, got ${answer.status}`);
      return answer.json();
    },
    listEvacuations: (query: EvacuationPage = {}) => json(evacuations.$get({ query })),
    getEvacuation: (id: string) => json(one.$get({ param: { id } })),
    getEvacuationPlan: (id: string, version: number) =>
      json(one.plans[":version"].$get({ param: { id, version: String(version) } })),
    listEvacuationMoves: (id: string, query: EvacuationPage = {}) =>
      json(one.moves.$get({ param: { id }, query })),
    setEvacuationLimits: (id: string, limits: EvacuationLimits) =>
      json(one.$patch({ param: { id }, json: limits })),
    approveEvacuation: (id: string, version: number, by?: string) =>
      json(
        one.approve.$post({
          param: { id },
          json: { version, ...(by === undefined ? {} : { by }) },
        }),
      ),
    rejectEvacuation: (id: string, by: Acting = {}) =>
      json(one.reject.$post({ param: { id }, json: by })),
    pauseEvacuation: (id: string, by: Acting = {}) =>
      json(one.pause.$post({ param: { id }, json: by })),
    resumeEvacuation: (id: string, by: Acting = {}) =>
      json(one.resume.$post({ param: { id }, json: by })),
    cancelEvacuation: (id: string, by: Acting = {}) =>
      json(one.cancel.$post({ param: { id }, json: by })),
    rollBackEvacuation: (id: string, by: Acting = {}) =>
      json(one.rollback.$post({ param: { id }, json: by })),
    skipEvacuationVm: (id: string, vm: string, by: Acting = {}) =>
      json(one.moves[":vm"].skip.$post({ param: { id, vm }, json: by })),
    retryEvacuationVm: (id: string, vm: string, by: Acting = {}) =>
      json(one.moves[":vm"].retry.$post({ param: { id, vm }, json: by })),
  };
}

function scheduleOperations({ schedules, "change-freezes": freezes }: Api) {
  const one = schedules[":id"];
  const request = (schedule: NewSchedule, dryRun: "true" | "false") =>
    schedules.$post({ json: schedule, query: { dryRun } });
  return {
    createSchedule: async (schedule: NewSchedule) => {
      const answer = await request(schedule, "false");
      if (answer.status !== 201) throw new Error(`Expected status 201, got ${answer.status}`);
      return answer.json();
    },
    /** `createSchedule` with `dryRun=true`. */
    dryRunSchedule: async (schedule: NewSchedule) => {
      const answer = await request(schedule, "true");
      if (answer.status !== 200) throw new Error(`Expected status 200, got ${answer.status}`);
      return answer.json();
    },
    listSchedules: (query: SchedulePage = {}) => json(schedules.$get({ query })),
    getSchedule: (id: string) => json(one.$get({ param: { id } })),
    previewSchedule: (id: string, count: number) =>
      json(one.preview.$get({ param: { id }, query: { count: String(count) } })),
    changeSchedule: (id: string, change: ScheduleChange) =>
      json(one.$patch({ param: { id }, json: change })),
    deleteSchedule: async (id: string) => {
      await one.$delete({ param: { id } });
    },
    pauseSchedule: (id: string, by: Acting = {}) =>
      json(one.pause.$post({ param: { id }, json: by })),
    resumeSchedule: (id: string) => json(one.resume.$post({ param: { id } })),
    createChangeFreeze: (freeze: NewChangeFreeze) => json(freezes.$post({ json: freeze })),
    listChangeFreezes: () => json(freezes.$get()),
    deleteChangeFreeze: async (id: string) => {
      await freezes[":id"].$delete({ param: { id } });
    },
  };
}

function webhookOperations({ webhooks }: Api) {
  const one = webhooks[":id"];
  return {
    createWebhook: (webhook: NewWebhook) => json(webhooks.$post({ json: webhook })),
    listWebhooks: () => json(webhooks.$get()),
    getWebhook: (id: string) => json(one.$get({ param: { id } })),
    changeWebhook: (id: string, change: WebhookChange) =>
      json(one.$patch({ param: { id }, json: change })),
    deleteWebhook: async (id: string) => {
      await one.$delete({ param: { id } });
    },
    rotateWebhookSecret: (id: string) => json(one["rotate-secret"].$post({ param: { id } })),
    testWebhook: (id: string) => json(one.test.$post({ param: { id } })),
    listDeliveries: (id: string, query: Page = {}) =>
      json(one.deliveries.$get({ param: { id }, query })),
    redeliverEvent: (id: string, event: string) =>
      json(one.deliveries[":event"].redeliver.$post({ param: { id, event } })),
  };
}

async function json<T>(answer: Promise<{ json(): Promise<T> }>): Promise<T> {
  return (await answer).json();
}

/** Asks again when the API says so: what is refused with 429 was not carried out. */
async function sendPatiently(
  send: () => Promise<Response>,
  signal: AbortSignal,
): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    const response = await send();
    if (response.status !== 429 || attempt === TRIES_MAX) return response;
    await response.body?.cancel();
    // A gateway before the API names no time.
    const seconds = Number(response.headers.get("retry-after") ?? 1);
    await pause(Math.min(Math.max(seconds, 1) * 1_000 || 1_000, PAUSE_MS_MAX), signal);
  }
}

/** @throws the signal's reason when it aborts before */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}

/** `fetch` with a token and a deadline; an answer that is not 2xx or 304 is thrown as an ApiError. */
function authorizedFetch(token: string, send: typeof fetch): typeof fetch {
  return async (input, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("authorization", `Bearer ${token}`);
    const signal = init.signal ?? AbortSignal.timeout(TIMEOUT_MS);
    const response = await sendPatiently(() => send(input, { ...init, headers, signal }), signal);
    const isUnchanged = response.status === 304;
    if (!response.ok && !isUnchanged)
      throw new ApiError(response.status, parseProblem(await response.text()));
    return response;
  };
}
