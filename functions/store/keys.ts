import { createHash } from "node:crypto";
import type { CommandId, HostId, MigrationId, VmId } from "../../core/id.ts";
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
  health: (): Key => ({ pk: "HEALTH", sk: "META" }),
  command: (id: CommandId): Key => ({ pk: `CMD#${id}`, sk: "META" }),
  idempotency: (key: string): Key => ({
    pk: `IDEMPOTENCY#${createHash("sha256").update(key).digest("hex")}`,
    sk: "META",
  }),
};

/** An event's time by its host's clock, its host and its number: one event always has one key. */
export type EventKey = { atMs: number; host: HostId; seq: number };

function sorted({ atMs, host, seq }: EventKey): string {
  const at = Math.floor(atMs).toString().padStart(16, "0");
  return `${at}#${host}#${seq.toString().padStart(16, "0")}`;
}
