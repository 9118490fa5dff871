import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "../../client/client.ts";
import { entriesOf } from "../../client/pages.ts";
import { age, bytes } from "../../core/format.ts";
import { CliError } from "../exit/cli-error.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import { followOptions } from "../follow.ts";
import type { Input } from "../input.ts";
import { followMigration } from "../migration-options.ts";
import type { Column } from "../output/table.ts";
import type { Session } from "../session.ts";
import type { Argument, Noun } from "../verb.ts";
import { listMigrationRows } from "./migration-rows.ts";
import { deviceVerbs } from "./vm-devices.ts";
import { guestVerbs } from "./vm-guest.ts";
import { ruleLines, ruleVerbs } from "./vm-rules.ts";

type Vm = Awaited<ReturnType<Client["getVm"]>>;
type Definition = Parameters<Client["createVm"]>[0]["definition"];

type Rules = Omit<Parameters<Client["createVm"]>[0], "id" | "host" | "definition" | "adopt">;

const POLL_MS = 200;
const START_MS_MAX = 120_000;
const vm: Argument = { name: "<vm>", summary: "name of the VM", of: "vm" };
const start = [
  { flags: "--host <host>", summary: "where it runs", of: "host", required: true },
  { flags: "--definition <file>", summary: "what it is made of, as JSON", required: true },
  { flags: "--rules <file>", summary: "labels, tenant, affinities, pin, as JSON (API: createVm)" },
  { flags: "--wait", summary: "wait until it runs or has failed" },
] as const;

export const vmNoun: Noun = {
  name: "vm",
  summary: "VMs: where they run, and what holds them",
  verbs: [
    {
      name: "list",
      summary: "List VMs by name",
      operations: ["listVms"],
      options: [
        { flags: "--host <host>", summary: "only on this host", of: "host" },
        { flags: "--state <state>", summary: "only in this state" },
        { flags: "--limit <number>", summary: "so many at most" },
      ],
      run: listVms,
    },
    {
      name: "show",
      summary: "Show a VM",
      operations: ["getVm"],
      arguments: [vm],
      run: async (session, input) => showVm(session, await session.api.getVm(input.argument(0))),
    },
    {
      name: "history",
      summary: "List the migrations of a VM, newest first",
      operations: ["listMigrations"],
      arguments: [vm],
      options: [{ flags: "--limit <number>", summary: "so many at most (default 20)" }],
      run: (session, input) => listMigrationRows(session, input, { vm: input.argument(0) }),
    },
    {
      name: "define",
      summary: "Start a new VM on a host",
      operations: ["createVm", "getVm"],
      arguments: [{ name: "<vm>", summary: "name of the new VM" }],
      options: start,
      details: "The definition's parts: docs/reference/definition.md",
      run: (session, input) => createVm(session, input, {}),
    },
    {
      name: "adopt",
      summary: "Take over a guest that runs on a host already",
      operations: ["createVm", "getVm"],
      arguments: [{ name: "<vm>", summary: "name of the new VM" }],
      options: [
        ...start,
        { flags: "--qmp <path>", summary: "QMP socket of its QEMU on that host", required: true },
        { flags: "--digest <hex>", summary: "of `vm discover`: it must be as it was proposed" },
      ],
      run: (session, input) => {
        const digest = input.text("digest");
        const adopt = { qmpPath: input.text("qmp") ?? "" };
        return createVm(session, input, {
          adopt: digest === undefined ? adopt : { ...adopt, digest },
        });
      },
    },
    {
      name: "stop",
      summary: "Ask a guest to stop",
      operations: ["getVm", "deleteVm"],
      arguments: [vm],
      options: [{ flags: "--quit", summary: "end QEMU at once: the guest is not asked" }],
      run: stopVm,
    },
    {
      name: "remove",
      summary: "Remove the record of a VM that has ended",
      operations: ["getVm", "deleteVm"],
      arguments: [vm],
      run: removeVm,
    },
    ...ruleVerbs(showVm),
    ...guestVerbs(showVm),
    ...deviceVerbs(showVm),
    {
      name: "reconcile",
      summary: "Observe both sides of an unknown VM again, and decide",
      operations: ["reconcileVm", "getMigration"],
      arguments: [vm],
      options: followOptions,
      details: "What to look at first: docs/operate/unknown.md",
      run: async (session, input) =>
        followMigration(session, input, await session.api.reconcileVm(input.argument(0))),
    },
  ],
};

async function listVms({ api, output }: Session, input: Input): Promise<undefined> {
  const host = input.text("host");
  const state = input.text("state");
  const itemsMax = input.whole("limit", 1) ?? Number.POSITIVE_INFINITY;
  const rows: Vm[] = [];
  for await (const one of entriesOf(api.listVms)) {
    if (host !== undefined && one.host !== host) continue;
    if (state !== undefined && one.state !== state) continue;
    rows.push(one);
    if (rows.length >= itemsMax) break;
  }
  output.list(rows, vmColumns(Date.now()), ({ id }) => id);
  return undefined;
}

function vmColumns(nowMs: number): Column<Vm>[] {
  const since = ({ stateSince, updatedAt }: Vm) => Date.parse(stateSince ?? updatedAt);
  return [
    { name: "VM", text: ({ id }) => id },
    { name: "HOST", text: ({ host }) => host },
    { name: "STATE", text: ({ state }) => state },
    { name: "SINCE", text: (one) => age(nowMs - since(one)), sortBy: (one) => -since(one) },
    {
      name: "MEMORY",
      text: ({ definition }) => bytes(definition.memoryBytes),
      sortBy: ({ definition }) => definition.memoryBytes,
    },
    { name: "MACHINE", text: ({ definition }) => definition.machine, wide: true },
    { name: "RUN STATE", text: ({ runState }) => runState ?? "", wide: true },
    { name: "NOTE", text: noteText },
  ];
}

function noteText({ lockedBy, detail, state, id }: Vm): string {
  if (state === "unknown") return `! nobody knows: switchyard vm reconcile ${id}`;
  if (lockedBy !== undefined) return lockedBy;
  return detail ?? "";
}

function showVm(session: Session, shown: Vm): undefined {
  const { definition } = shown;
  const { output } = session;
  output.object(shown, shown.id, [
    ["vm", shown.id],
    ["host", shown.host],
    ["state", shown.state],
    ["since", shown.stateSince === undefined ? undefined : session.time(shown.stateSince)],
    ["run state", shown.runState],
    ["held by", shown.lockedBy],
    ["detail", shown.detail],
    ["machine", definition.machine],
    ["memory", bytes(definition.memoryBytes)],
    ...ruleLines(shown),
    ["epoch", String(shown.epoch)],
    ["created", session.time(shown.createdAt)],
  ]);
  return undefined;
}

async function createVm(
  session: Session,
  input: Input,
  more: { adopt?: { qmpPath: string; digest?: string } },
): Promise<ExitName | undefined> {
  const { api } = session;
  const definition = (await input.json("definition")) as Definition;
  const rules = (await input.json("rules")) as Rules | undefined;
  const id = input.argument(0);
  const host = input.text("host") ?? "";
  let made = await api.createVm({ ...rules, id, host, definition, ...more });
  if (input.flag("wait")) {
    const deadlineMs = Date.now() + START_MS_MAX;
    while (made.state === "starting" && Date.now() < deadlineMs) {
      await sleep(POLL_MS);
      made = await api.getVm(id);
    }
  }
  showVm(session, made);
  if (made.state === "failed") return "failed";
  return input.flag("wait") && made.state === "starting" ? "ongoing" : undefined;
}

/** Its QEMU process is gone. */
function hasEnded({ state, runState }: Vm): boolean {
  return state === "failed" || (state === "stopped" && runState === undefined);
}

async function stopVm(session: Session, input: Input): Promise<undefined> {
  const { api, output } = session;
  const id = input.argument(0);
  const found = await api.getVm(id);
  if (hasEnded(found)) {
    throw new CliError(
      "refused",
      `${id} has ended`,
      `remove its record: switchyard vm remove ${id}`,
    );
  }
  const isHard = input.flag("quit");
  if (isHard) await session.confirm(`End QEMU of ${id} on ${found.host} without asking the guest?`);
  const stopping = await api.deleteVm(id, { mode: isHard ? "quit" : "powerdown" });
  const asked = isHard ? "QEMU ends" : "the guest was asked to stop";
  if (stopping === undefined) output.note(`${id} had ended already; its record is removed`);
  else
    output.object(stopping, id, [
      ["vm", id],
      ["host", stopping.host],
      ["state", asked],
    ]);
  return undefined;
}

async function removeVm(session: Session, input: Input): Promise<undefined> {
  const { api, output } = session;
  const id = input.argument(0);
  const found = await api.getVm(id);
  if (!hasEnded(found)) {
    throw new CliError(
      "refused",
      `${id} is ${found.state} on ${found.host}`,
      `switchyard vm stop ${id}`,
    );
  }
  await session.confirm(`Remove the record of ${id}?`);
  const stopping = await api.deleteVm(id);
  if (stopping !== undefined) {
    throw new CliError("changed", `${id} runs again on ${stopping.host}: it was asked to stop`);
  }
  output.note(`The record of ${id} is removed`);
  return undefined;
}
