import { createHash } from "node:crypto";
import type {
  CommandId,
  EvacuationId,
  HostId,
  MigrationId,
  ScheduleId,
  VmId,
  WebhookId,
} from "../../core/id.ts";
import type { HostKind, TenantKind } from "../../core/plan/admission.ts";
import type { TenantName } from "../../core/vm-rules.ts";
import type { Key } from "./table.ts";

/** Makes every key of the table. docs/internals/data.md says which question each one answers. */
export const keys = {
  host: (id: HostId): Key => ({ pk: `HOST#${id}`, sk: "META" }),
  hostFacts: (id: HostId): Key => ({ pk: `HOST#${id}`, sk: "FACTS" }),
  hostHeard: (id: HostId): Key => ({ pk: `HOST#${id}`, sk: "HEARD" }),
  /** The VM's record names this host. */
  hostVm: (host: HostId, vm: VmId): Key => ({ pk: `HOST#${host}`, sk: `VM#${vm}` }),
  /** A migration waits for this target. Migration ids sort by creation, so the rows do too. */
  queued: (target: HostId, id: MigrationId): Key => ({ pk: `HOST#${target}`, sk: `QUEUED#${id}` }),
  lane: (lane: Lane): Key => ({ pk: laneName(lane), sk: "META" }),
  laneMember: (lane: Lane, id: MigrationId): Key => ({
    pk: laneName(lane),
    sk: `WAITING#${id}`,
  }),
  /** A lane waits for a limit; those with the oldest heads come first. */
  watch: ({ limit, head, lane }: Watch): Key => ({
    pk: ownerOf(limit),
    sk: `WATCH#${limit.kind}#${head}#${laneName(lane)}`,
  }),
  /** Limit of a tenant, and the migrations of its VMs. */
  tenant: (name: TenantName): Key => ({ pk: `TENANT#${name}`, sk: "META" }),
  vm: (id: VmId): Key => ({ pk: `VM#${id}`, sk: "META" }),
  vmPast: (id: VmId): Key => ({ pk: `VM#${id}`, sk: "PAST" }),
  vmMigration: (vm: VmId, id: MigrationId): Key => ({ pk: `VM#${vm}`, sk: `MIG#${id}` }),
  migration: (id: MigrationId): Key => ({ pk: `MIG#${id}`, sk: "META" }),
  signals: (id: MigrationId): Key => ({ pk: `MIG#${id}`, sk: "SIGNALS" }),
  secret: (id: MigrationId): Key => ({ pk: `MIG#${id}`, sk: "SECRET" }),
  event: (id: MigrationId, at: EventKey): Key => ({ pk: `MIG#${id}`, sk: `EVENT#${sorted(at)}` }),
  sample: (id: MigrationId, at: EventKey): Key => ({ pk: `MIG#${id}`, sk: `SAMPLE#${sorted(at)}` }),
  learned: ({ name, withAck }: { name: string; withAck: boolean }): Key => ({
    pk: `LEARNED#${name}`,
    sk: withAck ? "ACK" : "NO-ACK",
  }),
  group: (name: string): Key => ({ pk: `GROUP#${name}`, sk: "META" }),
  silentHosts: (): Key => ({ pk: "SILENT-HOSTS", sk: "META" }),
  sweep: (): Key => ({ pk: "SWEEP", sk: "META" }),
  metrics: (shard: number, part: "META" | "REST"): Key => ({ pk: `METRICS#${shard}`, sk: part }),
  evacuation: (id: EvacuationId): Key => ({ pk: `EVAC#${id}`, sk: "META" }),
  evacuationWakes: (id: EvacuationId): Key => ({ pk: `EVAC#${id}`, sk: "WAKES" }),
  evacuationMove: (id: EvacuationId, vm: VmId): Key => ({ pk: `EVAC#${id}`, sk: `MOVE#${vm}` }),
  planVersion: (id: EvacuationId, version: number): Key => ({
    pk: `EVAC#${id}`,
    sk: `PLAN#${digits(version, 4)}`,
  }),
  planPart: (id: EvacuationId, { version, writer, part }: PlanPart): Key => ({
    pk: `EVAC#${id}`,
    sk: `PART#${digits(version, 4)}#${writer}#${digits(part, 3)}`,
  }),
  /** A move that may start: once under its source, once under its target, the most urgent first. */
  evacuationQueue: (id: EvacuationId, place: QueuePlace): Key => ({
    pk: `EVAC#${id}`,
    sk: `${place.side === "source" ? "OUT" : "IN"}#${place.host}#${digits(place.order, 6)}#${place.vm}`,
  }),
  /** A move that waits for its next try, or for its owner: the earliest first. */
  evacuationRetry: (id: EvacuationId, at: string, vm: VmId): Key => ({
    pk: `EVAC#${id}`,
    sk: `RETRY#${at}#${vm}`,
  }),
  /** The evacuation is woken when something changes on this host or for this tenant, or makes room. */
  listener: (of: Listened, id: EvacuationId): Key => ({ pk: ownerOf(of), sk: `EVACUATION#${id}` }),
  schedule: (id: ScheduleId): Key => ({ pk: `SCHEDULE#${id}`, sk: "META" }),
  /** A window that was opened; they sort by their starts. */
  scheduleRun: (id: ScheduleId, startsAt: string): Key => ({
    pk: `SCHEDULE#${id}`,
    sk: `RUN#${startsAt}`,
  }),
  changeFreezes: (): Key => ({ pk: "CHANGE-FREEZES", sk: "META" }),
  /** An entry of the audit, or an event of the fleet. */
  dayLog: ({ log, day, shard, at }: DayLogPlace): Key => ({
    pk: `${log}#${day}#${shard}`,
    sk: `AT#${at}`,
  }),
  /** All webhooks, without their secrets; and how far events were handed to them. */
  webhooks: (): Key => ({ pk: "WEBHOOKS", sk: "META" }),
  webhookCursor: (): Key => ({ pk: "WEBHOOKS", sk: "CURSOR" }),
  webhookSecret: (id: WebhookId): Key => ({ pk: `WEBHOOK#${id}`, sk: "SECRET" }),
  /** Ids of events sort by time. */
  delivery: (id: WebhookId, event: string): Key => ({
    pk: `WEBHOOK#${id}`,
    sk: `DELIVERY#${event}`,
  }),
  health: (): Key => ({ pk: "HEALTH", sk: "META" }),
  command: (id: CommandId): Key => ({ pk: `CMD#${id}`, sk: "META" }),
  idempotency: (key: string): Key => ({
    pk: `IDEMPOTENCY#${createHash("sha256").update(key).digest("hex")}`,
    sk: "META",
  }),
};

/** Waiting migrations that nothing tells apart but their age. */
export type Lane = {
  readonly source: HostId;
  readonly target: HostId;
  /** `preparing`: they wait to be admitted. `transferring`: they are prepared, and wait for slots. */
  readonly pool: "preparing" | "transferring";
  /** Power of two of the memory in bytes; 0 for those that have it. */
  readonly sizeClass: number;
  /** Of their VMs. */
  readonly tenant?: TenantName | undefined;
};

/** A limit that is used up. */
export type Limit =
  | { readonly host: HostId; readonly kind: HostKind }
  | { readonly tenant: TenantName; readonly kind: TenantKind };

/** `room`: whatever may give a VM a place that had none. */
export type Listened =
  | { readonly host: HostId }
  | { readonly tenant: TenantName }
  | { readonly room: true };

export type Watch = {
  readonly limit: Limit;
  readonly head: MigrationId;
  readonly lane: Lane;
};

/** The partition of a host or a tenant, or the one of all that wait for room. */
export function ownerOf(of: Listened): string {
  if ("room" in of) return "ROOM";
  return "host" in of ? `HOST#${of.host}` : `TENANT#${of.tenant}`;
}

function laneName({ source, target, pool, sizeClass, tenant }: Lane): string {
  const own = tenant === undefined ? "" : `#${tenant}`;
  return `LANE#${source}#${target}#${pool === "transferring" ? "slots" : sizeClass}${own}`;
}

export type DayLogPlace = {
  readonly log: "AUDIT" | "FLEET";
  readonly day: string;
  readonly shard: number;
  readonly at: string;
};

export type QueuePlace = {
  readonly side: "source" | "target";
  readonly host: HostId;
  readonly order: number;
  readonly vm: VmId;
};

export type PlanPart = {
  readonly version: number;
  readonly writer: string;
  readonly part: number;
};

function digits(value: number, count: number): string {
  return value.toString().padStart(count, "0");
}

/** An event's time by its host's clock, its host and its number: one event always has one key. */
export type EventKey = { atMs: number; host: HostId; seq: number };

function sorted({ atMs, host, seq }: EventKey): string {
  const at = Math.floor(atMs).toString().padStart(16, "0");
  return `${at}#${host}#${seq.toString().padStart(16, "0")}`;
}
