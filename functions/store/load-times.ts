import type { VmId } from "../../core/id.ts";
import { expectedLoadMs, Learned, learn, NOTHING_LEARNED } from "../../core/migration/learning.ts";
import type { VfioDevice } from "../../core/protocol/probe.ts";
import { keys } from "./keys.ts";
import { getItems, updateIf } from "./table.ts";

/** A subject whose load times are learned, with and without the ACK separately. */
export type Subject = { name: string; withAck: boolean };

/** The VM itself, and the classes of its passed-through devices. */
export function subjectsOf(vm: VmId, devices: VfioDevice[], withAck: boolean): Subject[] {
  const classes = new Set(devices.flatMap(({ deviceClass }) => deviceClass ?? []));
  return [`vm ${vm}`, ...classes].map((name) => ({ name, withAck }));
}

/**
 * The expected load time: the VM's own if it was moved before, otherwise the longest of its device
 * classes. Undefined when nothing is known.
 */
export async function readExpectedLoad(
  subjects: Subject[],
): Promise<{ loadMs: number; from: string } | undefined> {
  const items = await getItems(subjects.map(keys.learned));
  const known = items.flatMap((item) => {
    const loadMs = expectedLoadMs(Learned.parse(item.learned));
    return loadMs === undefined ? [] : [{ loadMs, from: String(item.name) }];
  });
  const own = known.find(({ from }) => from === subjects[0]?.name);
  return own ?? known.sort((a, b) => b.loadMs - a.loadMs)[0];
}

/**
 * Adds the load time of one move. When two moves of one class end at the same moment, one of them is
 * dropped, which does no harm.
 */
export async function recordLoadTime(subject: Subject, loadMs: number): Promise<void> {
  const [item] = await getItems([keys.learned(subject)]);
  const before = item === undefined ? NOTHING_LEARNED : Learned.parse(item.learned);
  await updateIf({
    key: keys.learned(subject),
    update: "SET #learned = :learned, #name = :name, #moves = :moves",
    condition: "attribute_not_exists(#moves) OR #moves = :before",
    values: {
      ":learned": learn(before, loadMs),
      ":name": subject.name,
      ":moves": before.moves + 1,
      ":before": before.moves,
    },
  });
}
