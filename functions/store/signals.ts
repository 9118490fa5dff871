import { z } from "zod";
import { StaleMigration } from "../../core/errors.ts";
import { HostId, type MigrationId } from "../../core/id.ts";
import { CommandError, Verb } from "../../core/protocol/command.ts";
import { keys } from "./keys.ts";
import { getItem, updateItem } from "./table.ts";

/**
 * Where waiting and happening meet: one item per migration. A workflow state writes that it waits
 * for names; an event writes that a name has happened; an interrupt meets every waiter. Each of them
 * is one atomic update that returns the whole item, so whichever comes second sees the first and
 * completes the token. Entries are never taken out: a token completed twice is refused by Step
 * Functions, but one forgotten between two writes would never be completed.
 */
const Waiter = z.object({
  token: z.string().min(1),
  /** Signals that must all have happened. */
  names: z.array(z.string()),
  /** Signals whose error fails the wait at once. */
  failOn: z.array(z.string()),
  interruptible: z.boolean(),
});
export type Waiter = z.infer<typeof Waiter>;

const Failed = z.object({ name: z.string(), message: z.string() });

const Outcome = z.object({
  at: z.string(),
  /** Who raised it first: the host and sequence of an event, or `cloud`. */
  by: z.string(),
  error: Failed.optional(),
  /** Of a host to a command: what the timeline tells. */
  answer: z
    .object({ host: HostId, atMs: z.number(), verb: Verb, error: CommandError.optional() })
    .optional(),
});
export type Outcome = z.infer<typeof Outcome>;
export type Happened = { name: string; outcome: Outcome };

const Interrupt = z.object({
  kind: z.enum(["cancelled", "failed", "waived"]),
  at: z.string(),
  detail: z.string(),
});
export type Interrupt = z.infer<typeof Interrupt>;

const Signals = z.object({
  waiting: z.record(z.string(), Waiter),
  happened: z.record(z.string(), Outcome),
  interrupt: Interrupt.optional(),
});
export type Signals = z.infer<typeof Signals>;

/** The error by which a workflow hears of it. */
const INTERRUPTS = {
  cancelled: "MigrationCancelled",
  failed: "MigrationFailed",
  waived: "AckWaived",
} as const;

/** How a wait ends: `undefined` in place of it means that it is still open. */
export type Settlement = { ok: true } | { ok: false; error: z.infer<typeof Failed> };

/** The rule by which a wait ends. An outcome beats an interrupt: what is done is done. */
export function settlement(
  waiter: Waiter,
  signals: Pick<Signals, "happened" | "interrupt">,
): Settlement | undefined {
  for (const name of waiter.failOn) {
    const error = signals.happened[name]?.error;
    if (error !== undefined) return { ok: false, error };
  }
  if (waiter.names.every((name) => signals.happened[name] !== undefined)) return { ok: true };
  if (signals.interrupt === undefined || !waiter.interruptible) return undefined;
  const { kind, detail } = signals.interrupt;
  return { ok: false, error: { name: INTERRUPTS[kind], message: detail } };
}

/** The item a migration begins with. */
export function noSignals(id: MigrationId) {
  return { ...keys.signals(id), waiting: {}, happened: {} };
}

export async function readSignals(id: MigrationId): Promise<Signals | undefined> {
  const item = await getItem(keys.signals(id));
  return item === undefined ? undefined : Signals.parse(item);
}

/** The signal of a break in postcopy; breaks count from 1. */
export function pauseSignal(pause: number): string {
  return `postcopy-paused.${pause}`;
}

/** How many breaks in postcopy have been told of. */
export async function countPauses(id: MigrationId): Promise<number> {
  const { happened = {} } = (await readSignals(id)) ?? {};
  let pauses = 0;
  while (happened[pauseSignal(pauses + 1)] !== undefined) pauses += 1;
  return pauses;
}

/**
 * Registers a wait under a name; the same wait again replaces the token (a retried state has a new
 * one).
 *
 * @throws StaleMigration when the migration does not exist
 */
export async function registerWait(
  id: MigrationId,
  name: string,
  waiter: Waiter,
): Promise<Signals> {
  const item = await updateItem({
    key: keys.signals(id),
    update: "SET #waiting.#entry = :waiter",
    condition: "attribute_exists(pk)",
    names: { "#entry": name },
    values: { ":waiter": waiter },
  });
  if (item === undefined) throw new StaleMigration(`Failed to find migration ${id}`);
  return Signals.parse(item);
}

/** Records that signals have happened; the first word on each stays. Undefined: no such migration. */
export async function recordHappened(
  id: MigrationId,
  happened: Happened[],
): Promise<Signals | undefined> {
  const places = happened.map(
    (_, place) => `#happened.#n${place} = if_not_exists(#happened.#n${place}, :o${place})`,
  );
  const item = await updateItem({
    key: keys.signals(id),
    update: `SET ${places.join(", ")}`,
    condition: "attribute_exists(pk)",
    names: Object.fromEntries(happened.map(({ name }, place) => [`#n${place}`, name])),
    values: Object.fromEntries(happened.map(({ outcome }, place) => [`:o${place}`, outcome])),
  });
  return item === undefined ? undefined : Signals.parse(item);
}

/** Records the first interrupt; a later one changes nothing. */
export async function recordInterrupt(
  id: MigrationId,
  interrupt: Interrupt,
): Promise<Signals | undefined> {
  const item = await updateItem({
    key: keys.signals(id),
    update: "SET #interrupt = if_not_exists(#interrupt, :interrupt)",
    condition: "attribute_exists(pk)",
    values: { ":interrupt": interrupt },
  });
  return item === undefined ? undefined : Signals.parse(item);
}
