import type { Client } from "../../client/client.ts";
import { mapTogether } from "../../client/pages.ts";
import { age, bytes, clockOffset } from "../../core/format.ts";
import { CliError } from "../exit/cli-error.ts";
import type { Column } from "../output/table.ts";
import type { Session } from "../session.ts";
import type { Argument, Noun } from "../verb.ts";
import { keyVerbs } from "./host-keys.ts";
import { type Host, lifecycleVerbs } from "./host-lifecycle.ts";

type Fleet = Awaited<ReturnType<Client["getFleet"]>>;
type ListedHost = Fleet["hosts"][number];
type Row = ListedHost & Pick<Host, "facts">;

const TOGETHER_MAX = 8;
const host: Argument = { name: "<host>", summary: "name of the host", of: "host" };

export const hostNoun: Noun = {
  name: "host",
  summary: "Hosts of the fleet and their agents",
  verbs: [
    {
      name: "list",
      summary: "List hosts with their use",
      operations: ["getFleet", "getHost"],
      details: "-o wide asks every host for its facts.",
      run: async ({ api, output }) => {
        const fleet = await api.getFleet();
        const withFacts = async (one: ListedHost): Promise<Row> => ({
          ...one,
          facts: (await api.getHost(one.id)).facts,
        });
        const rows: Row[] =
          output.format === "wide"
            ? await mapTogether(fleet.hosts, TOGETHER_MAX, withFacts)
            : fleet.hosts;
        output.list(rows, hostColumns(Date.now()), ({ id }) => id);
        if (fleet.truncated) output.note("The list is cut: the snapshot of the fleet has a limit");
        return undefined;
      },
    },
    {
      name: "show",
      summary: "Show a host",
      operations: ["getHost"],
      arguments: [host],
      run: async (session, input) =>
        showHost(session, await session.api.getHost(input.argument(0))),
    },
    {
      name: "facts",
      summary: "Print what a host's agent reported about it, as JSON",
      operations: ["getHost"],
      arguments: [host],
      run: async ({ api, output }, input) => {
        const { id, facts } = await api.getHost(input.argument(0));
        if (facts === undefined) {
          throw new CliError("refused", `The agent of ${id} has not registered yet`);
        }
        output.json(facts);
        return undefined;
      },
    },
    ...keyVerbs(showHost),
    ...lifecycleVerbs(showHost),
  ],
};

function hostColumns(nowMs: number): Column<Row>[] {
  return [
    { name: "HOST", text: ({ id }) => id },
    { name: "STATE", text: ({ state }) => state },
    { name: "VMS", text: ({ vms }) => String(vms), right: true, sortBy: ({ vms }) => vms },
    { name: "MEMORY", text: memoryText, sortBy: ({ usage }) => usage?.reservedBytes ?? 0 },
    { name: "OUT", text: ({ usage, slotsOut }) => `${usage?.outgoing ?? 0}/${slotsOut}` },
    { name: "IN", text: ({ usage, slotsIn }) => `${usage?.incoming ?? 0}/${slotsIn}` },
    {
      name: "LAST EVENT",
      text: ({ lastEventAt }) =>
        lastEventAt === undefined ? "" : `${age(nowMs - Date.parse(lastEventAt))} ago`,
      sortBy: ({ lastEventAt }) => lastEventAt ?? "",
    },
    { name: "QEMU", text: ({ facts }) => versionText(facts), wide: true },
    { name: "AGENT", text: ({ facts }) => facts?.agentVersion ?? "", wide: true },
    { name: "ADDRESS", text: ({ facts }) => facts?.migrationAddress ?? "", wide: true },
  ];
}

function memoryText({ usage }: Pick<Host, "usage">): string {
  if (usage?.memoryBytes === undefined) return "";
  return `${bytes(usage.reservedBytes)} / ${bytes(usage.memoryBytes)}`;
}

function cordonText({ owner, message }: Host["cordons"][number]): string {
  return message === undefined ? owner : `${owner} ("${message}")`;
}

function labelText(labels: Host["labels"]): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

function versionText(facts: Host["facts"]): string {
  if (facts === undefined) return "";
  const { major, minor, micro } = facts.qemu.version;
  return `${major}.${minor}.${micro}`;
}

function keyText({ key, rotateKey, joinTokenExpiresAt }: Host, session: Session) {
  const parts = [
    key === undefined ? "none" : `${key.id} since ${session.time(key.since)}`,
    ...(rotateKey ? ["is to be replaced"] : []),
    ...(joinTokenExpiresAt === undefined
      ? []
      : [`a join token until ${session.time(joinTokenExpiresAt)}`]),
  ];
  return parts.join("; ");
}

function showHost(session: Session, shown: Host): undefined {
  const { facts, usage, unfitEvent } = shown;
  const { output } = session;
  output.object(shown, shown.id, [
    ["host", shown.id],
    ["state", shown.state],
    ["memory", memoryText(shown)],
    ["slots out", `${usage?.outgoing ?? 0} of ${shown.slotsOut} in use`],
    ["slots in", `${usage?.incoming ?? 0} of ${shown.slotsIn} in use`],
    ["preparing", `${usage?.preparingOut ?? 0} out, ${usage?.preparingIn ?? 0} in`],
    ["cordons", shown.cordons.map(cordonText).join("; ")],
    ["labels", labelText(shown.labels)],
    ["QEMU", versionText(facts)],
    ["agent", facts?.agentVersion],
    ["address", facts?.migrationAddress],
    ["key", keyText(shown, session)],
    ["clock", clockOffset(shown.clockOffsetMs)],
    ["last event", shown.lastEventAt === undefined ? undefined : session.time(shown.lastEventAt)],
    [
      "refused event",
      unfitEvent === undefined ? undefined : `${unfitEvent.type}: ${unfitEvent.reason}`,
    ],
    ["created", session.time(shown.createdAt)],
  ]);
  return undefined;
}
