import { createHash } from "node:crypto";
import type { CommandId, EvacuationId, HostId, MigrationId, VmId } from "../../core/id.ts";
import type { Key } from "./table.ts";

/** Makes every key of the table. docs/internals/data.md says which question each one answers. */
export const keys = {
  host: (id: HostId): Key => ({ pk: `HOST#${id}`, sk: "META" }),
  hostFacts: (id: HostId): Key => ({ pk: `HOST#${id}`, sk: "FACTS" }),
  hostHeard: (id: HostId): Key => ({ pk: `HOST#${id}`, sk: "HEARD" }),
  /** The VM's record names this host. */
  hostVm: (host: HostId, vm: VmId): Key => ({ pk: `HOST#${host}`, sk: `VM#${vm}` }),
  /** Migration ids sort by creation, so the row does too. */
  waiting: (host: HostId, id: MigrationId): Key => ({ pk: `HOST#${host}`, sk: `WAITING#${id}` }),
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
  sweep: (): Key => ({ pk: "SWEEP", sk: "META" }),
  metrics: (shard: number): Key => ({ pk: `METRICS#${shard}`, sk: "META" }),
  evacuation: (id: EvacuationId): Key => ({ pk: `EVAC#${id}`, sk: "META" }),
  evacuationWakes: (id: EvacuationId): Key => ({ pk: `EVAC#${id}`, sk: "WAKES" }),
  evacuationMove: (id: EvacuationId, vm: VmId): Key => ({ pk: `EVAC#${id}`, sk: `MOVE#${vm}` }),
  planVersion: (id: EvacuationId, version: number): Key => ({
    pk: `EVAC#${id}`,
    sk: `PLAN#${digits(version, 4)}`,
  }),
  planPart: (id: EvacuationId, version: number, part: number): Key => ({
    pk: `EVAC#${id}`,
    sk: `PART#${digits(version, 4)}#${digits(part, 3)}`,
  }),
  /** A move that may start: once under its source, once under its target, the most urgent first. */
  evacuationQueue: (id: EvacuationId, place: QueuePlace): Key => ({
    pk: `EVAC#${id}`,
    sk: `${place.side === "source" ? "OUT" : "IN"}#${place.host}#${digits(place.order, 6)}#${place.vm}`,
  }),
  /** A move that waits for its next try, the earliest first. */
  evacuationRetry: (id: EvacuationId, at: string, vm: VmId): Key => ({
    pk: `EVAC#${id}`,
    sk: `RETRY#${at}#${vm}`,
  }),
  /** The evacuation is woken when something changes on this host. */
  hostListener: (host: HostId, id: EvacuationId): Key => ({
    pk: `HOST#${host}`,
    sk: `EVACUATION#${id}`,
  }),
  audit: ({ day, shard, at }: AuditPlace): Key => ({ pk: `AUDIT#${day}#${shard}`, sk: `AT#${at}` }),
  health: (): Key => ({ pk: "HEALTH", sk: "META" }),
  command: (id: CommandId): Key => ({ pk: `CMD#${id}`, sk: "META" }),
  idempotency: (key: string): Key => ({
    pk: `IDEMPOTENCY#${createHash("sha256").update(key).digest("hex")}`,
    sk: "META",
  }),
};

export type AuditPlace = { readonly day: string; readonly shard: number; readonly at: string };

export type QueuePlace = {
  readonly side: "source" | "target";
  readonly host: HostId;
  readonly order: number;
  readonly vm: VmId;
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
