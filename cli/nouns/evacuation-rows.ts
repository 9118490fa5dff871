import type { Evacuation, EvacuationMove } from "../../core/evacuation/evacuation.ts";
import { age, duration } from "../../core/format.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import { followingOf } from "../follow.ts";
import type { Input } from "../input.ts";
import type { Column } from "../output/table.ts";
import type { Session } from "../session.ts";
import { countText, endsText, hostNames } from "../watch/evacuation-lines.ts";
import { watchEvacuation } from "../watch/watch-evacuation.ts";

export function evacuationColumns(nowMs: number): Column<Evacuation>[] {
  return [
    { name: "EVACUATION", text: ({ id }) => id },
    { name: "STATUS", text: ({ status }) => status },
    { name: "HOSTS", text: hostNames },
    { name: "VMS", text: countText, sortBy: ({ counters }) => counters.total },
    { name: "ENDS", text: endsText, wide: true },
    {
      name: "PLANNED",
      text: ({ createdAt }) => `${age(nowMs - Date.parse(createdAt))} ago`,
      sortBy: ({ createdAt }) => createdAt,
    },
  ];
}

export const moveColumns: readonly Column<EvacuationMove>[] = [
  { name: "VM", text: ({ vm }) => vm },
  { name: "STATE", text: ({ state }) => state },
  { name: "FROM", text: ({ source }) => source },
  { name: "TO", text: ({ target }) => target ?? "" },
  { name: "TRIES", text: ({ tries }) => String(tries.length), right: true },
  { name: "DOWNTIME", text: downtimeText },
  { name: "MIGRATION", text: ({ migration }) => migration ?? "", wide: true },
  { name: "REASON", text: ({ reason }) => reason ?? "" },
  { name: "CURE", text: ({ cure }) => cure ?? "", wide: true },
];

function downtimeText({ tries }: EvacuationMove): string {
  const downtimeMs = tries.at(-1)?.downtimeMs;
  return downtimeMs === undefined ? "" : duration(downtimeMs);
}

export function showEvacuation(session: Session, shown: Evacuation): undefined {
  const { limits, pauses, endedBy, approvedVersion } = shown;
  const time = (at: string | undefined) => (at === undefined ? undefined : session.time(at));
  const approved = approvedVersion === undefined ? "none approved" : `${approvedVersion} approved`;
  session.output.object(shown, shown.id, [
    ["evacuation", shown.id],
    ["status", shown.status],
    ["hosts", shown.hosts.map(({ host, state }) => `${host} (${state})`).join(", ")],
    ["vms", countText(shown)],
    ["time", endsText(shown)],
    ["version", `${shown.version}, ${approved}`],
    ["planned by", shown.plannedBy],
    ["approve by", time(shown.status === "planned" ? shown.approveUntil : shown.offeredUntil)],
    ["paused", pauses.map((one) => `${one.author} (${one.reason}): ${one.endsWith}`).join("; ")],
    ["moves at once", limits.movesAtOnce?.toString()],
    ["error budget", limits.errorBudget?.toString()],
    ["unknown", shown.unknownVms.join(" ")],
    ["ended by", endedBy === undefined ? undefined : `${endedBy.author} (${endedBy.action})`],
    ["created", time(shown.createdAt)],
    ["ended", time(shown.endedAt)],
  ]);
  return undefined;
}

/** Follows as `--watch`, `--wait` or `--detach` say. */
export async function followEvacuation(
  session: Session,
  input: Input,
  approved: Evacuation,
): Promise<ExitName> {
  const { output } = session;
  const { id } = approved;
  const following = followingOf(input, output);
  if (following !== "detach") {
    const timeoutMs = input.durationMs("timeout");
    return watchEvacuation(session, id, { shows: following === "watch", timeoutMs });
  }
  if (output.isForPeople) {
    output.text(id);
    output.note(`${hostNames(approved)} is emptied: switchyard evacuation watch ${id}`);
  } else output.object(approved, id, []);
  return "done";
}
