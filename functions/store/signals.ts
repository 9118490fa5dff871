import * as z from "zod";
import { StaleMigration } from "../../core/errors.ts";
import { HostId, type MigrationId } from "../../core/id.ts";
import { CommandError, Verb } from "../../core/protocol/command.ts";
import { keys } from "./keys.ts";
import { getItem, updateItem } from "./table.ts";

/**
 * Waits and signals meet in one item per migration. A workflow state registers a wait for names; an
 * event raises the signal of a name; an interrupt concerns every interruptible wait. Each is one
 * atomic update that returns the whole item, so whichever comes second sees the first and completes
 * the token. Entries are not removed when they have served: Step Functions refuses a token that is
 * completed twice, but a token removed between two writes would never be completed. What repeats
 * leaves only its newest entries: outgrown-signals.ts removes the others.
 */
const Waiter = z.object({
  token: z.string().min(1),
  /** Signals that must all be raised. */
  names: z.array(z.string()),
  /** Signals whose error fails the wait at once. */
  failOn: z.array(z.string()),
  interruptible: z.boolean(),
  /** Number of the pause of postcopy that fails the wait, or a later one: earlier ones were recovered. */
  pause: z.int().positive().optional(),
});
export type Waiter = z.infer<typeof Waiter>;

const Failed = z.object({ name: z.string(), message: z.string() });

const Outcome = z.object({
  at: z.string(),
  /** Who raised it first: the host and sequence of an event, or `cloud`. */
  by: z.string(),
  error: Failed.optional(),
  /** Number of the newest pause of postcopy; only of its signal. */
  pause: z.int().positive().optional(),
  /** A host's answer to a command, for the wait and for the timeline. */
  answer: z
    .object({ host: HostId, atMs: z.number(), verb: Verb, error: CommandError.optional() })
    .optional(),
});
export type Outcome = z.infer<typeof Outcome>;
export type RaisedSignal = { name: string; outcome: Outcome };

const Interrupt = z.object({
  kind: z.enum(["cancelled", "failed", "waived", "not-handed-over"]),
  at: z.string(),
  detail: z.string(),
});
export type Interrupt = z.infer<typeof Interrupt>;

const Signals = z.object({
  waiting: z.record(z.string(), Waiter),
  raised: z.record(z.string(), Outcome),
  interrupt: Interrupt.optional(),
});
export type Signals = z.infer<typeof Signals>;

/** The error with which each interrupt fails a wait. */
const interruptErrors = {
  cancelled: "MigrationCancelled",
  failed: "MigrationFailed",
  waived: "AckWaived",
  "not-handed-over": "HandoverFailed",
} as const;

/** How a wait ends. A wait without a settlement is still open. */
export type Settlement = { ok: true } | { ok: false; error: z.infer<typeof Failed> };

/** The signal of the newest pause of postcopy: one entry, however often the connection breaks. */
export const PAUSED = "postcopy-paused";

/** Decides whether and how a wait ends. An outcome takes precedence over an interrupt. */
export function settlement(
  waiter: Waiter,
  signals: Pick<Signals, "raised" | "interrupt">,
): Settlement | undefined {
  for (const name of waiter.failOn) {
    const outcome = signals.raised[name];
    const error = outcome === undefined ? undefined : errorOf(outcome);
    const isEarlier = name === PAUSED && (outcome?.pause ?? 0) < (waiter.pause ?? 1);
    if (error !== undefined && !isEarlier) return { ok: false, error };
  }
  if (waiter.names.every((name) => signals.raised[name] !== undefined)) return { ok: true };
  if (signals.interrupt === undefined || !waiter.interruptible) return undefined;
  const { kind, detail } = signals.interrupt;
  return { ok: false, error: { name: interruptErrors[kind], message: detail } };
}

function errorOf({ error, answer }: Outcome): z.infer<typeof Failed> | undefined {
  const answered = answer?.error;
  if (answered === undefined) return error;
  return { name: "CommandFailed", message: `${answered.code}: ${answered.message}` };
}

/** The item with which a migration begins. */
export function noSignals(id: MigrationId) {
  return { ...keys.signals(id), waiting: {}, raised: {} };
}

export async function readSignals(id: MigrationId): Promise<Signals | undefined> {
  const item = await getItem(keys.signals(id));
  return item === undefined ? undefined : Signals.parse(item);
}

/** Number of the newest pause of postcopy that was raised; 0 for none. */
export async function newestPause(id: MigrationId): Promise<number> {
  return (await readSignals(id))?.raised[PAUSED]?.pause ?? 0;
}

/**
 * Writes a wait under a name; the same wait again replaces the token (a retried state has a new one).
 *
 * @throws StaleMigration when the migration does not exist
 */
export async function writeWait(id: MigrationId, name: string, waiter: Waiter): Promise<Signals> {
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

/**
 * Records raised signals; the first outcome of each wins. Undefined when the migration does not exist.
 */
export async function recordRaised(
  id: MigrationId,
  raised: RaisedSignal[],
): Promise<Signals | undefined> {
  const places = raised.map(
    (_, place) => `#raised.#n${place} = if_not_exists(#raised.#n${place}, :o${place})`,
  );
  const item = await updateItem({
    key: keys.signals(id),
    update: `SET ${places.join(", ")}`,
    condition: "attribute_exists(pk)",
    names: Object.fromEntries(raised.map(({ name }, place) => [`#n${place}`, name])),
    values: Object.fromEntries(raised.map(({ outcome }, place) => [`:o${place}`, outcome])),
  });
  return item === undefined ? undefined : Signals.parse(item);
}

/**
 * Records a pause of postcopy unless a later one, or the same, is recorded. Undefined when the
 * migration does not exist.
 */
export async function recordPause(id: MigrationId, outcome: Outcome): Promise<Signals | undefined> {
  const item = await updateItem({
    key: keys.signals(id),
    update: "SET #raised.#paused = :outcome",
    condition:
      "attribute_exists(pk) AND (attribute_not_exists(#raised.#paused) OR #raised.#paused.#pause < :pause)",
    names: { "#paused": PAUSED },
    values: { ":outcome": outcome, ":pause": outcome.pause },
  });
  return item === undefined ? readSignals(id) : Signals.parse(item);
}

/** Records an interrupt; the first one wins. Undefined when the migration does not exist. */
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
