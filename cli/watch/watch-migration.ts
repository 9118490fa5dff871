import { bytes } from "../../core/format.ts";
import { remainingBytes } from "../../core/migration/estimate.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import type { Session } from "../session.ts";
import { exitOfMigration } from "./exit-of-migration.ts";
import { endText, frameOf, resultLines, type Shown } from "./migration-lines.ts";
import { painterFor } from "./painter.ts";
import { untilInterrupted, type Watch, type Watching, watch } from "./watching.ts";

const POLL_MS = 500;
const LEFT_MAX = 60;

/**
 * Follows a migration to its end, and its successor's where it gave up the ACK. An interrupt ends the
 * watching and nothing else.
 */
export function watchMigration(
  session: Session,
  id: string,
  watching: Watching,
): Promise<ExitName> {
  return untilInterrupted(async (interrupted) => {
    let current = id;
    for (;;) {
      const watched = await follow(session, current, watching, interrupted);
      if ("stopped" in watched) return stopped(session, current, watched.stopped);
      const exit = report(session, watched.ended);
      if (watched.ended.successor === undefined) return exit;
      session.output.note(`It goes on without the ACK: ${watched.ended.successor}`);
      current = watched.ended.successor;
    }
  });
}

async function follow(
  session: Session,
  id: string,
  { shows, timeoutMs }: Watching,
  interrupted: AbortSignal,
): Promise<Watch<Shown>> {
  const { output } = session;
  const isStream = output.format === "ndjson";
  const painter = shows && !isStream ? painterFor(output) : undefined;
  const left: number[] = [];
  let last = "";
  try {
    return await watch<Shown>(session, {
      read: () => session.api.getMigration(id),
      everyMs: POLL_MS,
      timeoutMs,
      interrupted,
      onRead: (migration) => {
        const remaining = remainingBytes(migration);
        if (remaining !== undefined) left.push(remaining);
        left.splice(0, left.length - LEFT_MAX);
        const width = output.terminal.columns();
        const frame = frameOf(migration, { width, nowMs: Date.now(), left });
        painter?.paint(frame, summaryOf(migration));
        if (shows && isStream && migration.updatedAt !== last) output.event(migration);
        last = migration.updatedAt;
        return migration.status !== "running";
      },
    });
  } finally {
    painter?.end();
  }
}

function stopped({ output }: Session, id: string, why: "ongoing" | "interrupted"): ExitName {
  if (why === "ongoing") {
    output.note(`${id} still goes on; watch it: switchyard migration watch ${id}`);
    return why;
  }
  output.note("No longer watching; the migration goes on.");
  output.note(`  watch it again   switchyard migration watch ${id}`);
  output.note(`  cancel it        switchyard migration cancel ${id}`);
  return why;
}

function summaryOf(migration: Shown): string {
  const remaining = remainingBytes(migration);
  const left = remaining === undefined ? "" : `   ${bytes(remaining)} left`;
  const ends = endText(migration);
  return `${migration.vm} ${migration.phase}${left}${ends === "" ? "" : `   ends ${ends}`}`;
}

/** Writes the answer: how it ended. */
function report(session: Session, ended: Shown): ExitName {
  const { output } = session;
  if (output.isForPeople) {
    for (const line of resultLines(ended, output.width)) output.text(line);
  } else if (output.format !== "ndjson") {
    output.object(ended, ended.id, []);
  }
  return exitOfMigration(ended);
}
