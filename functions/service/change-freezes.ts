import { randomBytes } from "node:crypto";
import { ChangeFreezeId, ulid } from "../../core/id.ts";
import {
  type ChangeFreeze,
  type ChangeFreezeView,
  FREEZES_MAX,
  spanOf,
} from "../../core/schedule/change-freeze.ts";
import { Problem } from "../http/problem.ts";
import { readCalendar, type StoredFreeze, writeCalendar } from "../store/change-freezes.ts";
import { renewAllTimes } from "./keep-times.ts";

const TRIES_MAX = 10;

/**
 * Nothing starts in it from now on, in any evacuation; transfers in flight end. Once this has returned
 * nothing starts that would not end before it.
 *
 * @throws Problem too-many-freezes, freezes-changed, workflow-unavailable
 */
export async function addFreeze(freeze: ChangeFreeze): Promise<ChangeFreezeView> {
  const id = ChangeFreezeId.parse(`frz_${ulid(Date.now(), randomBytes(10))}`);
  const made = { id, ...freeze };
  await change((freezes) => {
    // What is over gives its place away.
    const kept = freezes.filter((one) => spanOf(one).endMs > Date.now());
    if (kept.length < FREEZES_MAX) return [...kept, made];
    const detail = `There are ${FREEZES_MAX} change freezes already: end one of them first`;
    throw new Problem("too-many-freezes", detail);
  });
  return viewOf(made);
}

/**
 * What it has held goes on. Repeated after a failure, it lets the evacuations know that had not heard.
 *
 * @throws Problem freeze-not-found, freezes-changed, workflow-unavailable
 */
export async function endFreeze(id: ChangeFreezeId): Promise<void> {
  const { freezes } = await readCalendar();
  if (freezes.every((one) => one.id !== id)) {
    await renewAllTimes();
    throw new Problem("freeze-not-found", `There is no change freeze ${id}`);
  }
  await change((now) => now.filter((one) => one.id !== id));
}

/** By their starts. */
export async function listFreezes(): Promise<ChangeFreezeView[]> {
  const { freezes } = await readCalendar();
  return freezes.map(viewOf).toSorted((one, other) => (one.startsAt < other.startsAt ? -1 : 1));
}

async function change(
  decide: (freezes: readonly StoredFreeze[]) => readonly StoredFreeze[],
): Promise<void> {
  for (let attempt = 1; attempt <= TRIES_MAX; attempt += 1) {
    const before = await readCalendar();
    if (!(await writeCalendar(before, decide(before.freezes)))) continue;
    await renewAllTimes();
    return;
  }
  throw new Problem("freezes-changed", "Other requests are changing the change freezes: try again");
}

function viewOf(freeze: StoredFreeze): ChangeFreezeView {
  const { startMs, endMs } = spanOf(freeze);
  return {
    ...freeze,
    startsAt: new Date(startMs).toISOString(),
    endsAt: new Date(endMs).toISOString(),
  };
}
