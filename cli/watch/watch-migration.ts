import { setTimeout as sleep } from "node:timers/promises";
import { bytes } from "../../core/format.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import { isConnectionFailure } from "../exit/exit-of.ts";
import type { Session } from "../session.ts";
import { exitOfMigration } from "./exit-of-migration.ts";
import { endText, frameOf, remainingBytes, resultLines, type Shown } from "./migration-lines.ts";
import { painterFor } from "./painter.ts";

const POLL_MS = 500;
/** How long the control plane may be silent before watching ends. */
const SILENT_MS_MAX = 60_000;
const LEFT_MAX = 60;

export type Watching = {
  /** Shows progress; otherwise it is only waited for. */
  readonly shows: boolean;
  readonly timeoutMs?: number | undefined;
};

/**
 * Follows a migration to its end, and its successor's where it gave up the ACK. An interrupt ends the
 * watching and nothing else.
 */
export async function watchMigration(
  session: Session,
  id: string,
  watching: Watching,
): Promise<ExitName> {
  const interrupt = new AbortController();
  const onInterrupt = () => interrupt.abort();
  // Not `once`: what restores the cursor ends the process when nobody else listens.
  process.on("SIGINT", onInterrupt);
  try {
    let current = id;
    for (;;) {
      const { ended, stopped } = await follow(session, current, watching, interrupt.signal);
      if (stopped !== undefined) return stopped;
      if (ended?.successor === undefined)
        return ended === undefined ? "done" : report(session, ended);
      report(session, ended);
      session.output.note(`It goes on without the ACK: ${ended.successor}`);
      current = ended.successor;
    }
  } finally {
    process.removeListener("SIGINT", onInterrupt);
  }
}

type Followed = { readonly ended?: Shown; readonly stopped?: ExitName };

async function follow(
  session: Session,
  id: string,
  { shows, timeoutMs }: Watching,
  interrupted: AbortSignal,
): Promise<Followed> {
  const { output } = session;
  const painter = shows && output.format !== "ndjson" ? painterFor(output) : undefined;
  const startedMs = Date.now();
  const left: number[] = [];
  let heardMs = Date.now();
  let last = "";
  try {
    for (;;) {
      const migration = await read(session, id, heardMs);
      if (migration !== undefined) {
        heardMs = Date.now();
        const remaining = remainingBytes(migration);
        if (remaining !== undefined) left.push(remaining);
        left.splice(0, left.length - LEFT_MAX);
        const width = output.terminal.columns();
        const frame = frameOf(migration, { width, nowMs: Date.now(), left });
        painter?.paint(frame, summaryOf(migration));
        if (shows && output.format === "ndjson" && migration.updatedAt !== last) {
          output.event(migration);
        }
        last = migration.updatedAt;
        if (migration.status !== "running") return { ended: migration };
      }
      if (timeoutMs !== undefined && Date.now() - startedMs >= timeoutMs) {
        output.note(`${id} still goes on; watch it: switchyard migration watch ${id}`);
        return { stopped: "ongoing" };
      }
      await sleep(POLL_MS, undefined, { signal: interrupted }).catch(() => undefined);
      if (interrupted.aborted) return { stopped: detach(session, id, () => painter?.end()) };
    }
  } finally {
    painter?.end();
  }
}

/** Undefined when the control plane did not answer, for a minute at most. */
async function read(session: Session, id: string, heardMs: number): Promise<Shown | undefined> {
  try {
    return await session.api.getMigration(id);
  } catch (error) {
    if (!isConnectionFailure(error) || Date.now() - heardMs >= SILENT_MS_MAX) throw error;
    if (session.verbose) session.output.note("The control plane did not answer; asking again");
    return undefined;
  }
}

function detach(session: Session, id: string, clear: () => void): ExitName {
  clear();
  session.output.note("No longer watching; the migration goes on.");
  session.output.note(`  watch it again   switchyard migration watch ${id}`);
  session.output.note(`  cancel it        switchyard migration cancel ${id}`);
  return "interrupted";
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
