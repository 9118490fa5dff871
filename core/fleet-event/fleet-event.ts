import * as z from "zod";
import { EvacuationStatus } from "../evacuation/evacuation.ts";
import { HostLifecycle } from "../host/host-state.ts";
import { EvacuationId, HostId, MigrationId, ulid, VmId, WebhookId } from "../id.ts";
import { MigrationStatus, Phase } from "../migration/migration.ts";

const migrationEnds = MigrationStatus.exclude(["running"]).options;

/** What can happen to the fleet, as `<noun>.<what>`. */
export const FleetEventType = z.enum([
  "migration.requested",
  "migration.phase",
  ...migrationEnds.map((status) => `migration.${status}` as const),
  ...EvacuationStatus.options.map((status) => `evacuation.${status}` as const),
  "evacuation.plan-changed",
  "host.silent",
  "host.heard",
  "host.cordoned",
  "host.uncordoned",
  ...HostLifecycle.options.map((state) => `host.${state}` as const),
  "vm.run-state",
  "vm.ended",
  "vm.unknown",
  "webhook.disabled",
  "webhook.test",
]);
export type FleetEventType = z.infer<typeof FleetEventType>;

/** Longest text of an event: with it an event stays below the 1 KiB of one write unit. */
const TEXT_MAX = 300;

/** What people need at night: ids, names, why, and what to do. What does not apply is absent. */
export const FleetEventData = z.strictObject({
  migration: MigrationId.optional(),
  evacuation: EvacuationId.optional(),
  webhook: WebhookId.optional(),
  vm: VmId.optional(),
  /** The host that it happened to, or on which the guest is. */
  host: HostId.optional(),
  source: HostId.optional(),
  target: HostId.optional(),
  phase: Phase.optional(),
  /** QEMU's run state of the guest. */
  runState: z.string().optional(),
  /** Code of a failure, and what to do about it. */
  code: z.string().optional(),
  cure: z.string().optional(),
  /** For people; cut after 300 characters. */
  message: z.string().optional(),
  downtimeMs: z.number().optional(),
  /** Newest version of the evacuation's plan. */
  version: z.int().optional(),
  /** Why the evacuation starts nothing. */
  pauses: z.array(z.string()).optional(),
  /** Whose cordons the host has. */
  owners: z.array(z.string()).optional(),
});
export type FleetEventData = z.infer<typeof FleetEventData>;

/** `evt_` and a ULID: the same event has the same id however often it is written. */
export const FleetEventId = z
  .string()
  .regex(/^evt_[0-9A-HJKMNP-TV-Z]{26}$/, "expected an event's id such as evt_01J9Z3…");
export type FleetEventId = z.infer<typeof FleetEventId>;

/** Something that has happened to the fleet. */
export const FleetEvent = z.strictObject({
  id: FleetEventId,
  at: z.iso.datetime(),
  type: FleetEventType,
  /** What it happened to, as a path of the API below `/v1/`, such as `hosts/host-a`. */
  subject: z.string(),
  data: FleetEventData,
});
export type FleetEvent = z.infer<typeof FleetEvent>;

/** Types of events: `migration.failed`, or `migration` for all of a noun. */
export const EventFilter = z
  .string()
  .refine(
    (filter) => FleetEventType.options.some((type) => isOfType(type, filter)),
    "expected a type of event such as `migration.failed`, or a noun such as `migration`",
  );

/** Without filters every event fits. */
export function fitsTypes(type: FleetEventType, filters: readonly string[]): boolean {
  return filters.length === 0 || filters.some((filter) => isOfType(type, filter));
}

function isOfType(type: FleetEventType, filter: string): boolean {
  return type === filter || type.startsWith(`${filter}.`);
}

/** A place in all events: an instant, or `cursor` of an answer. */
export const EventCursor = z
  .string()
  .regex(
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z(#[0-9a-f]{12})?$/,
    "expected `cursor` of an answer, or an instant such as 2026-11-30T09:14:02.000Z",
  );
export type EventCursor = z.infer<typeof EventCursor>;

export const EventPage = z.strictObject({
  items: z.array(FleetEvent),
  /** Where the next question begins. */
  cursor: EventCursor,
  /** There is more already. */
  more: z.boolean(),
});
export type EventPage = z.infer<typeof EventPage>;

/** An event that is not written yet: it has no id and no time. */
export type UntoldEvent = {
  readonly type: FleetEventType;
  readonly data: FleetEventData;
};

/** @param random at least ten bytes; the same bytes and time make the same id */
export function fleetEvent({ type, data }: UntoldEvent, atMs: number, random: Uint8Array) {
  const { message, cure } = data;
  const cut = {
    ...data,
    ...(message === undefined ? {} : { message: cutText(message) }),
    ...(cure === undefined ? {} : { cure: cutText(cure) }),
  };
  return {
    id: `evt_${ulid(Math.floor(atMs), random)}`,
    at: new Date(atMs).toISOString(),
    type,
    subject: subjectOf(type, data),
    data: cut,
  } satisfies FleetEvent;
}

function cutText(text: string): string {
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX - 1)}…`;
}

function subjectOf(type: FleetEventType, data: FleetEventData): string {
  switch (type.slice(0, type.indexOf("."))) {
    case "migration":
      return `migrations/${data.migration}`;
    case "evacuation":
      return `evacuations/${data.evacuation}`;
    case "vm":
      return `vms/${data.vm}`;
    case "webhook":
      return `webhooks/${data.webhook}`;
    default:
      return `hosts/${data.host}`;
  }
}
