import type { MigrationId } from "../../core/id.ts";
import {
  type Happened,
  type Interrupt,
  readSignals,
  recordHappened,
  recordInterrupt,
  type Signals,
  settlement,
} from "../store/signals.ts";
import { beatToken, settleToken } from "./tokens.ts";

/**
 * Signals have happened: ends every wait that this settles. Repeated after a crash it settles again;
 * a signal that somebody else raised first settles nothing here.
 */
export async function happen(id: MigrationId, happened: Happened[]): Promise<void> {
  const signals = await recordHappened(id, happened);
  if (signals === undefined) return;
  const mine = new Set(
    happened.flatMap(({ name, outcome }) =>
      signals.happened[name]?.by === outcome.by ? [name] : [],
    ),
  );
  await settleWhere(signals, ({ names, failOn }) =>
    [...names, ...failOn].some((name) => mine.has(name)),
  );
}

/** Ends every interruptible wait, and those that begin later. The first interrupt is the one. */
export async function interrupt(id: MigrationId, what: Interrupt): Promise<void> {
  const signals = await recordInterrupt(id, what);
  if (signals !== undefined) await settleWhere(signals, ({ interruptible }) => interruptible);
}

/** Ends a wait that was registered after what it waits for. */
export async function settle(id: MigrationId, wait: string): Promise<void> {
  const signals = await readSignals(id);
  const waiter = signals?.waiting[wait];
  if (signals === undefined || waiter === undefined) return;
  const end = settlement(waiter, signals);
  if (end !== undefined) await settleToken(waiter.token, end, signals);
}

/** Keeps the waits of a migration alive that are still open. */
export async function beat(id: MigrationId): Promise<void> {
  const signals = await readSignals(id);
  if (signals === undefined) return;
  const open = Object.values(signals.waiting).filter(
    (waiter) => settlement(waiter, signals) === undefined,
  );
  await Promise.all(open.map(({ token }) => beatToken(token)));
}

async function settleWhere(
  signals: Signals,
  concerns: (waiter: Signals["waiting"][string]) => boolean,
): Promise<void> {
  await Promise.all(
    Object.values(signals.waiting).map(async (waiter) => {
      const end = concerns(waiter) ? settlement(waiter, signals) : undefined;
      if (end !== undefined) await settleToken(waiter.token, end, signals);
    }),
  );
}
