import type { Client } from "../../client/client.ts";
import { CliError } from "../exit/cli-error.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import type { Input } from "../input.ts";
import type { Column } from "../output/table.ts";
import { clean } from "../output/table.ts";
import type { Session } from "../session.ts";
import type { Verb } from "../verb.ts";
import { untilInterrupted, watch } from "../watch/watching.ts";

type Page = Awaited<ReturnType<Client["listEvents"]>>;
type FleetEvent = Page["items"][number];

const SINCE_DEFAULT_MS = 3_600_000;
const PAGE_MAX = 100;
/** How often `--follow` asks. */
const FOLLOW_MS = 2_000;
/** Events of one answer without `--follow`. */
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
  const read = async (): Promise<Page> => {
    const query = { after, limit: String(PAGE_MAX), ...(type === undefined ? {} : { type }) };
    const page = await session.api.listEvents(query);
    after = page.cursor;
    return page;
  };
  const outcome = input.flag("follow")
    ? await follow(session, read, input.durationMs("timeout"))
    : await showAll(session, read);
  session.output.note(`Cursor: ${after}`);
  return outcome;
}

function instantBefore(ms: number): string {
  return new Date(Date.now() - ms).toISOString();
}

async function showAll(session: Session, read: () => Promise<Page>): Promise<undefined> {
  const found: FleetEvent[] = [];
  let page: Page;
  do {
    page = await read();
    found.push(...page.items);
  } while (page.more && found.length < SHOWN_MAX);
  session.output.list(found, columns(session), ({ id }) => id);
  if (page.more) session.output.note(`Only the first ${found.length} events are shown`);
}

/** One line for each event as it comes; a page that is full is followed by the next one at once. */
async function follow(
  session: Session,
  read: () => Promise<Page>,
  timeoutMs: number | undefined,
): Promise<ExitName> {
  return untilInterrupted(async (interrupted) => {
    const { stopped } = (await watch(session, {
      read,
      onRead: ({ items }) => {
        for (const event of items) show(session, event);
        return false;
      },
      everyMs: FOLLOW_MS,
      timeoutMs,
      interrupted,
    })) as { stopped: ExitName };
    return stopped;
  });
}

function show(session: Session, event: FleetEvent): void {
  const { output } = session;
  if (output.format === "name") output.text(event.id);
  else if (!output.isForPeople) output.event(event);
  else
    output.text(
      clean(
        columns(session)
          .map(({ text }) => text(event))
          .join("  "),
      ),
    );
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
  const { vm, source, target, host, phase, code, message, runState, owners, downtimeMs } = data;
  const isMove = type.startsWith("migration.");
  const parts = [
    isMove ? `${vm} ${source} → ${target}` : type.startsWith("vm.") ? `on ${host}` : undefined,
    code ?? phase ?? runState ?? owners?.join(", "),
    downtimeMs === undefined ? undefined : `downtime ${downtimeMs} ms`,
    data.pauses?.join(", "),
    message,
  ];
  return parts.filter((part) => part !== undefined).join(": ");
}
