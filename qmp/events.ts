import * as z from "zod";
import { QmpProtocolError } from "./error.ts";
import { figure } from "./integer.ts";
import type { WireEvent } from "./message.ts";

/**
 * Events the project knows. Members beyond these pass, and so do events that are not listed, with
 * their data unchanged. Order of events in a migration: see MIGRATION.
 */
const eventData = {
  /**
   * Migration status changed; needs the capability `events`, which is per process. Unknown values mean
   * "in progress". Source: setup, active, [pre-switchover,] device (10.0+), completed; target: setup,
   * active, completed. A cancel may end in `failed`.
   */
  MIGRATION: z.looseObject({ status: z.string() }),
  /** A new pass over RAM began. Coalesced: see `QmpEvent.count`. */
  MIGRATION_PASS: z.looseObject({ pass: figure }),
  STOP: z.looseObject({}),
  RESUME: z.looseObject({}),
  SUSPEND: z.looseObject({}),
  WAKEUP: z.looseObject({}),
  POWERDOWN: z.looseObject({}),
  /** `guest`: the guest requested it; `reason` e.g. host-qmp-quit, host-signal, guest-shutdown. */
  SHUTDOWN: z.looseObject({ guest: z.boolean(), reason: z.string() }),
  RESET: z.looseObject({ guest: z.boolean(), reason: z.string() }),
  GUEST_PANICKED: z.looseObject({ action: z.string() }),
  /** The guest has loaded its crash kernel: a panic that it handles itself. */
  GUEST_CRASHLOADED: z.looseObject({ action: z.string() }),
  WATCHDOG: z.looseObject({ action: z.string() }),
  /**
   * `action` is `stop` where the run state becomes `io-error`; with `report` and `ignore` the guest
   * runs on. One event for each request that failed: QEMU limits their rate from 9.2 on.
   */
  BLOCK_IO_ERROR: z.looseObject({
    device: z.string(),
    "node-name": z.string().optional(),
    operation: z.string(),
    action: z.string(),
    reason: z.string(),
  }),
  /** The primary of a failover pair is being unplugged for a migration (status wait-unplug). */
  UNPLUG_PRIMARY: z.looseObject({ "device-id": z.string() }),
  /** 9.1+, vfio-pci property `migration-events=on`. Device state, not the switchover ACK. */
  VFIO_MIGRATION: z.looseObject({
    "device-id": z.string(),
    "qom-path": z.string(),
    "device-state": z.string(),
  }),
  DEVICE_DELETED: z.looseObject({ device: z.string().optional(), path: z.string() }),
  DEVICE_UNPLUG_GUEST_ERROR: z.looseObject({ device: z.string().optional(), path: z.string() }),
  JOB_STATUS_CHANGE: z.looseObject({ id: z.string(), status: z.string() }),
  BLOCK_JOB_COMPLETED: z.looseObject({
    ...blockJob(),
    error: z.string().optional(),
  }),
  BLOCK_JOB_CANCELLED: z.looseObject(blockJob()),
  BLOCK_JOB_READY: z.looseObject(blockJob()),
  BLOCK_JOB_PENDING: z.looseObject({ type: z.string(), id: z.string() }),
  BLOCK_JOB_ERROR: z.looseObject({
    device: z.string(),
    operation: z.string(),
    action: z.string(),
  }),
} satisfies Record<string, z.ZodType>;

function blockJob() {
  return { type: z.string(), device: z.string(), len: figure, offset: figure, speed: figure };
}

type EventSchemas = typeof eventData;
export type QmpEventName = keyof EventSchemas;
export type QmpEventData<Name extends string> = Name extends QmpEventName
  ? z.output<EventSchemas[Name]>
  : Readonly<Record<string, unknown>>;

export type QmpEvent<Name extends string = string> = {
  readonly name: Name;
  readonly data: QmpEventData<Name>;
  /**
   * QEMU's wall clock, in milliseconds with microseconds as fraction. It is correct also for an event
   * that arrives late because QEMU's monitor was blocked in the downtime. NaN if QEMU had no time.
   */
  readonly timestampMs: number;
  /** How many events this one stands for: 1, or more for a coalesced MIGRATION_PASS. */
  readonly count: number;
};

/** Narrows an event from a `"*"` listener or `waitFor`. */
export function isQmpEvent<Name extends string>(
  event: QmpEvent,
  name: Name,
): event is QmpEvent & QmpEvent<Name> {
  return event.name === name;
}

/** Checks an event against its schema. @throws QmpProtocolError when a known event is malformed */
export function readEvent(wire: WireEvent, count = 1): QmpEvent {
  const { seconds, microseconds } = wire.timestamp;
  // qmp-spec, "Asynchronous events": both are -1 when the host's time is not available.
  const timestampMs = seconds < 0 ? Number.NaN : seconds * 1000 + microseconds / 1000;
  return { name: wire.event, data: readData(wire), timestampMs, count };
}

function readData(wire: WireEvent): Readonly<Record<string, unknown>> {
  if (!isKnown(wire.event)) return wire.data;
  const result = eventData[wire.event].safeParse(wire.data);
  if (result.success) return result.data;
  throw new QmpProtocolError(`Failed to read event ${wire.event}`, { cause: result.error });
}

function isKnown(name: string): name is QmpEventName {
  return Object.hasOwn(eventData, name);
}
