import type { Client } from "../../client/client.ts";
import { CliError } from "../exit/cli-error.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import type { Input } from "../input.ts";
import { type Column, clean } from "../output/table.ts";
import type { Session } from "../session.ts";
import type { Verb } from "../verb.ts";
import { untilInterrupted, watch } from "../watch/watching.ts";

type FleetEvent = Awaited<ReturnType<Client["listEvents"]>>["items"][number];

const SINCE_DEFAULT_MS = 3_600_000;
const PAGE_MAX = 100;
/** How often `--follow` asks. */
const FOLLOW_MS = 2_000;
/** Events that are read before they are shown. */
const SHOWN_MAX = 10_000;

export const eventsVerb: Verb = {
  name: "events",
  summary: "Show what has happened to the fleet, oldest first",
  operations: ["listEvents"],
  options: [
    { flags: "--since <time>", summary: "how far back, such as 24h or 7d; default: 1h" },
    { flags: "--after <cursor>", summary: "begin after a cursor or an instant" },
    { flags: "--type <types>", summary: "only these, such as migration.failed,host" },
    { flags: "--follow", summary: "go on showing what happens, until Ctrl-C" },
    { flags: "--timeout <time>", summary: "with --follow: so long at most; then exit 8" },
  ],
  details:
    "Events are kept for 7 days and shown 3 seconds after they were written. The last line on stderr " +
    "is the cursor for --after.",
  run: runEvents,
};

async function runEvents(session: Session, input: Input): Promise<ExitName | undefined> {
  const type = input.text("type");
  const given = input.text("after");
  if (given !== undefined && input.text("since") !== undefined) {
    throw new CliError("usage", "Expected --after or --since, got both");
  }
  let after = given ?? instantBefore(input.durationMs("since") ?? SINCE_DEFAULT_MS);
  const read = async (): Promise<Read> => {
    const events: FleetEvent[] = [];
    let begin = after;
    for (;;) {
      const query = { after: begin, limit: PAGE_MAX, ...(type === undefined ? {} : { type }) };
      const { items, cursor, more } = await session.api.listEvents(query);
      events.push(...items);
      begin = cursor;
      if (more && events.length < SHOWN_MAX) continue;
      // Only now: a page that fails is asked for again with those before it.
      after = cursor;
      return { events, isCut: more };
    }
  };
  const outcome = input.flag("follow")
    ? await follow(session, read, input.durationMs("timeout"))
    : await showAll(session, read);
  session.output.note(`Cursor: ${after}`);
  return outcome;
}

/** What has come since the last time, page after page. */
type Read = { readonly events: FleetEvent[]; readonly isCut: boolean };

function instantBefore(ms: number): string {
  return new Date(Date.now() - ms).toISOString();
}

async function showAll(session: Session, read: () => Promise<Read>): Promise<undefined> {
  const { events, isCut } = await read();
  session.output.list(events, columns(session), ({ id }) => id);
  if (isCut) session.output.note("There are more: go on with the cursor below");
}

/** One line for each event as it comes. */
async function follow(
  session: Session,
  read: () => Promise<Read>,
  timeoutMs: number | undefined,
): Promise<ExitName> {
  return untilInterrupted(async (interrupted) => {
    const outcome = await watch(session, {
      read,
      onRead: ({ events }) => {
        for (const event of events) show(session, event);
        return false;
      },
      everyMs: FOLLOW_MS,
      timeoutMs,
      interrupted,
    });
    return "stopped" in outcome ? outcome.stopped : "done";
  });
}

function show(session: Session, event: FleetEvent): void {
  const { output } = session;
  if (output.format === "name") {
    output.text(event.id);
  } else if (output.isForPeople) {
    const cells = columns(session).map(({ text }) => text(event));
    output.text(clean(cells.join("  ")));
  } else {
    output.event(event);
  }
}

function columns(session: Session): Column<FleetEvent>[] {
  return [
    { name: "AT", text: ({ at }) => session.time(at), sortBy: ({ at }) => at },
    { name: "TYPE", text: (event) => event.type },
    { name: "SUBJECT", text: ({ subject }) => subject },
    { name: "WHAT", text: ({ type, data }) => whatOf(type, data) },
    { name: "ID", text: ({ id }) => id, wide: true },
  ];
}

function whatOf(type: string, data: FleetEvent["data"]): string {
  const { code, phase, runState, owners, downtimeMs, pauses, message } = data;
  const parts = [
    placeOf(type, data),
    code ?? phase ?? runState ?? owners?.join(", "),
    downtimeMs === undefined ? undefined : `downtime ${downtimeMs} ms`,
    pauses?.join(", "),
    message,
  ];
  return parts.filter((part) => part !== undefined).join(": ");
}

function placeOf(type: string, { vm, source, target, host }: FleetEvent["data"]) {
  if (type.startsWith("migration.")) return `${vm} ${source} → ${target}`;
  return type.startsWith("vm.") ? `on ${host}` : undefined;
}
