import type { Client } from "../../client/client.ts";
import { authorOptions, ownerOf } from "../author.ts";
import { CliError } from "../exit/cli-error.ts";
import { type Input, parseBytesPerSecond, parseLabels } from "../input.ts";
import type { Session } from "../session.ts";
import type { Argument, Verb } from "../verb.ts";

export type Host = Awaited<ReturnType<Client["getHost"]>>;
type Change = Parameters<Client["changeHost"]>[1];
type Show = (session: Session, host: Host) => undefined;

const host: Argument = { name: "<host>", summary: "name of the host", of: "host" };

/** What an operator changes of a host, and what closes and opens it. */
export function lifecycleVerbs(show: Show): Verb[] {
  const byWhom = { arguments: [host], options: authorOptions };
  return [
    {
      name: "label",
      summary: "Set labels (rack=7), or remove one (rack=)",
      operations: ["changeHost"],
      arguments: [host, { name: "<labels...>", summary: "name=value" }],
      run: async (session, input) => {
        const labels = parseLabels(input.arguments.slice(1));
        return show(session, await session.api.changeHost(input.argument(0), { labels }));
      },
    },
    {
      name: "limits",
      summary: "Change how many migrations a host takes, and its link's speed",
      operations: ["changeHost"],
      arguments: [host],
      options: [
        { flags: "--slots-out <number>", summary: "migrations out of it at the same time" },
        { flags: "--slots-in <number>", summary: "migrations into it at the same time" },
        { flags: "--prepare-ahead <number>", summary: "migrations prepared beside these slots" },
        { flags: "--link-out <rate>", summary: "B/s such as 1.5G; none: as its agent reports" },
        { flags: "--link-in <rate>", summary: "B/s such as 1.5G; none: as its agent reports" },
      ],
      run: async (session, input) =>
        show(session, await session.api.changeHost(input.argument(0), limitsOf(input))),
    },
    {
      name: "cordon",
      summary: "Let no guest come to a host",
      operations: ["cordonHost"],
      ...byWhom,
      run: async (session, input) =>
        show(session, await session.api.cordonHost(input.argument(0), ownerOf(input))),
    },
    {
      name: "uncordon",
      summary: "End all cordons of a host; an evacuation that empties it ends for it",
      operations: ["getHost", "uncordonHost"],
      ...byWhom,
      run: (session, input) => uncordon(session, input, show),
    },
    {
      name: "maintenance",
      summary: "Close an empty host until it is returned",
      operations: ["maintainHost"],
      ...byWhom,
      run: async (session, input) =>
        show(session, await session.api.maintainHost(input.argument(0), ownerOf(input))),
    },
    {
      name: "return",
      summary: "Open a host again after its maintenance",
      operations: ["returnHost"],
      arguments: [host],
      run: async (session, input) => show(session, await session.api.returnHost(input.argument(0))),
    },
    {
      name: "retire",
      summary: "Take an empty host out of the fleet: its agent is refused from then on",
      operations: ["retireHost"],
      ...byWhom,
      run: async (session, input) => {
        const id = input.argument(0);
        await session.confirm(`Retire ${id}? Its agent's key is worth nothing afterwards.`);
        return show(session, await session.api.retireHost(id, ownerOf(input)));
      },
    },
    {
      name: "confirm-down",
      summary: "Say that a silent host is off: its guests have failed, migrations go on without it",
      operations: ["confirmHostDown"],
      ...byWhom,
      run: (session, input) => confirmDown(session, input, show),
    },
    guests,
  ];
}

const guests: Verb = {
  name: "guests",
  summary: "List the QEMUs that run on a host, and whether each can be adopted",
  operations: ["listGuests"],
  arguments: [host],
  run: async ({ api, output }, input) => {
    const { items, total } = await api.listGuests(input.argument(0));
    output.list(
      items,
      [
        { name: "PID", text: ({ pid }) => String(pid), right: true, sortBy: ({ pid }) => pid },
        { name: "NAME", text: ({ name }) => name ?? "" },
        { name: "VM", text: ({ vm }) => vm ?? "" },
        { name: "OWNER", text: ({ owner }) => owner },
        { name: "ADOPTABLE", text: ({ adoptable }) => (adoptable ? "yes" : "no") },
        {
          name: "MONITORS",
          text: ({ monitors }) => monitors.map(({ path, state }) => `${path} (${state})`).join(" "),
        },
        { name: "ADVICE", text: ({ advice }) => advice, wide: true },
      ],
      ({ pid }) => String(pid),
    );
    if (items.length < total) output.note(`The first ${items.length} of ${total} are listed`);
    return undefined;
  },
};

async function uncordon(session: Session, input: Input, show: Show): Promise<undefined> {
  const id = input.argument(0);
  const { cordons } = await session.api.getHost(id);
  const drains = cordons.filter(({ drains }) => drains === true).map(({ owner }) => owner);
  if (drains.length > 0) {
    await session.confirm(`${drains.join(", ")} empties ${id}: end that for this host?`);
  }
  const { host: opened, cleared } = await session.api.uncordonHost(id, ownerOf(input));
  const owners = cleared.map(({ owner }) => owner).join(", ");
  session.output.note(owners === "" ? "It had no cordon" : `Ended the cordons of ${owners}`);
  return show(session, opened);
}

async function confirmDown(session: Session, input: Input, show: Show): Promise<undefined> {
  const id = input.argument(0);
  await session.confirm(
    `Is the power of ${id} off? A guest that still ran there could run in two places.`,
  );
  const answer = await session.api.confirmHostDown(id, ownerOf(input));
  for (const vm of answer.failed) session.output.note(`${vm}: failed`);
  for (const { vm, migration } of answer.reconciling) {
    session.output.note(`${vm}: ${migration} decides where it is`);
  }
  return show(session, answer.host);
}

function limitsOf(input: Input): Change {
  const slotsOut = input.whole("slotsOut", 1);
  const slotsIn = input.whole("slotsIn", 1);
  const rateOf = (option: string, given: string | undefined) =>
    given === "none" || given === undefined ? null : parseBytesPerSecond(option, given);
  const ahead = input.whole("prepareAhead");
  const out = input.text("linkOut");
  const into = input.text("linkIn");
  const change = {
    ...(slotsOut === undefined ? {} : { slotsOut }),
    ...(slotsIn === undefined ? {} : { slotsIn }),
    ...(ahead === undefined ? {} : { prepareAhead: ahead }),
    ...(out === undefined ? {} : { linkOutBytesPerSecond: rateOf("link-out", out) }),
    ...(into === undefined ? {} : { linkInBytesPerSecond: rateOf("link-in", into) }),
  };
  if (Object.keys(change).length > 0) return change;
  throw new CliError("usage", "Expected a limit to change: --help lists them");
}
