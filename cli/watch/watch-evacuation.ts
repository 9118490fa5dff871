import { allOf } from "../../client/pages.ts";
import type { Evacuation, EvacuationMove } from "../../core/evacuation/evacuation.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import type { Session } from "../session.ts";
import { evacuationFrame, evacuationResult, evacuationSummary } from "./evacuation-lines.ts";
import { exitOfEvacuation, isOver } from "./exit-of-evacuation.ts";
import type { Shown } from "./migration-lines.ts";
import { painterFor } from "./painter.ts";
import { untilInterrupted, type Watching, watch } from "./watching.ts";

const POLL_MS = 1_000;
/** VMs that a frame reads: it shows a part of them, and the counters have all. */
const MOVES_READ_MAX = 500;

type Seen = {
  readonly evacuation: Evacuation;
  readonly moves: readonly EvacuationMove[];
  readonly migrations: ReadonlyMap<string, Shown>;
};

/** Follows an evacuation to its end. An interrupt ends the watching and nothing else. */
export function watchEvacuation(
  session: Session,
  id: string,
  watching: Watching,
): Promise<ExitName> {
  return untilInterrupted((interrupted) => follow(session, id, watching, interrupted));
}

async function follow(
  session: Session,
  id: string,
  { shows, timeoutMs }: Watching,
  interrupted: AbortSignal,
): Promise<ExitName> {
  const { output } = session;
  const isStream = output.format === "ndjson";
  const painter = shows && !isStream ? painterFor(output) : undefined;
  const onPause = pauseNotes(session, output.terminal.showsProgress && shows);
  let last = "";
  try {
    const watched = await watch(session, {
      read: () => read(session, id, painter !== undefined && output.terminal.showsProgress),
      everyMs: POLL_MS,
      timeoutMs,
      interrupted,
      onRead: ({ evacuation, moves, migrations }) => {
        const width = output.terminal.columns();
        painter?.paint(
          evacuationFrame(evacuation, { width, moves, migrations }),
          evacuationSummary(evacuation),
        );
        if (shows && isStream && evacuation.updatedAt !== last) output.event(evacuation);
        last = evacuation.updatedAt;
        onPause(evacuation);
        return isOver(evacuation);
      },
    });
    painter?.end();
    if ("ended" in watched) return await report(session, watched.ended.evacuation);
    if (watched.stopped === "interrupted")
      output.note("No longer watching; the evacuation goes on.");
    else output.note(`${id} still goes on.`);
    output.note(`  watch it again   switchyard evacuation watch ${id}`);
    output.note(`  cancel it        switchyard evacuation cancel ${id}`);
    return watched.stopped;
  } finally {
    painter?.end();
  }
}

/** Where no frame shows them, each pause is noted once: most of them wait for a person. */
function pauseNotes({ output }: Session, isShown: boolean): (evacuation: Evacuation) => void {
  const noted = new Set<string>();
  return ({ pauses, id }) => {
    for (const { reason, author, since, endsWith } of isShown ? [] : pauses) {
      const key = `${reason} ${author} ${since}`;
      if (!noted.has(key)) output.note(`${id} is paused by ${author} (${reason}): ${endsWith}`);
      noted.add(key);
    }
  };
}

async function read({ api }: Session, id: string, hasFrame: boolean): Promise<Seen> {
  const evacuation = await api.getEvacuation(id);
  if (!hasFrame) return { evacuation, moves: [], migrations: new Map() };
  const [moves, { migrations }] = await Promise.all([
    allOf((page) => api.listEvacuationMoves(id, page), MOVES_READ_MAX),
    api.getFleet(),
  ]);
  return { evacuation, moves, migrations: new Map(migrations.map((one) => [one.id, one])) };
}

/** Writes the answer: how it ended. */
async function report({ api, output }: Session, ended: Evacuation): Promise<ExitName> {
  if (output.isForPeople) {
    const moves = await allOf((page) => api.listEvacuationMoves(ended.id, page), MOVES_READ_MAX);
    for (const line of evacuationResult(ended, moves, output.width)) output.text(line);
  } else if (output.format !== "ndjson") {
    output.object(ended, ended.id, []);
  }
  return exitOfEvacuation(ended);
}
