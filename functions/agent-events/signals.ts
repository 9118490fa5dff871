import type { MigrationId } from "../../core/id.ts";
import { answerRows, outgrown, removeEntries, removeWait } from "../store/outgrown-signals.ts";
import {
  type Interrupt,
  PAUSED,
  type RaisedSignal,
  readSignals,
  recordInterrupt,
  recordPause,
  recordRaised,
  type Signals,
  settlement,
} from "../store/signals.ts";
import { addRows } from "../store/timeline.ts";
import { completeToken, sendHeartbeat } from "./tokens.ts";

/**
 * Raises signals and completes every wait that they settle. Repeated after a crash, it completes them
 * again. A signal that another event raised first settles nothing here.
 */
export async function raiseSignals(id: MigrationId, raised: RaisedSignal[]): Promise<void> {
  const others = raised.filter(({ name }) => name !== PAUSED);
  if (others.length > 0) {
    const signals = await recordRaised(id, others);
    if (signals === undefined) return;
    await settleBy(signals, others);
    await trim(id, signals);
  }
  for (const paused of raised.filter(({ name }) => name === PAUSED)) {
    const signals = await recordPause(id, paused.outcome);
    if (signals !== undefined) await settleBy(signals, [paused]);
  }
}

/** Moves answers of old attempts into the timeline, so that what repeats does not fill the item. */
async function trim(id: MigrationId, { raised }: Signals): Promise<void> {
  const old = outgrown(raised);
  if (old.length === 0) return;
  await addRows(answerRows(id, old, raised));
  await removeEntries(id, "raised", old);
}

async function settleBy(signals: Signals, raised: RaisedSignal[]): Promise<void> {
  const own = new Set(
    raised.flatMap(({ name, outcome }) => (signals.raised[name]?.by === outcome.by ? [name] : [])),
  );
  await settleWhere(signals, ({ names, failOn }) =>
    [...names, ...failOn].some((name) => own.has(name)),
  );
}

/** Fails every interruptible wait, and those that are registered later. The first interrupt wins. */
export async function interrupt(id: MigrationId, what: Interrupt): Promise<void> {
  const signals = await recordInterrupt(id, what);
  if (signals !== undefined) await settleWhere(signals, ({ interruptible }) => interruptible);
}

/** Completes a wait that was registered after the signals that settle it. */
export async function settle(id: MigrationId, wait: string): Promise<void> {
  const signals = await readSignals(id);
  const waiter = signals?.waiting[wait];
  if (signals === undefined || waiter === undefined) return;
  const end = settlement(waiter, signals);
  if (end !== undefined) await completeToken(waiter.token, end, signals);
}

/** Sends a heartbeat for every open wait of a migration; one that is over gets no second one. */
export async function keepWaitsAlive(id: MigrationId): Promise<void> {
  const signals = await readSignals(id);
  if (signals === undefined) return;
  const open = Object.entries(signals.waiting).filter(
    ([, waiter]) => settlement(waiter, signals) === undefined,
  );
  await Promise.all(
    open.map(async ([name, { token }]) => {
      if (!(await sendHeartbeat(token))) await removeWait(id, name, token);
    }),
  );
}

async function settleWhere(
  signals: Signals,
  concerns: (waiter: Signals["waiting"][string]) => boolean,
): Promise<void> {
  await Promise.all(
    Object.values(signals.waiting).map(async (waiter) => {
      const end = concerns(waiter) ? settlement(waiter, signals) : undefined;
      if (end !== undefined) await completeToken(waiter.token, end, signals);
    }),
  );
}
