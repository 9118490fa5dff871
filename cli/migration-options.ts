import type { Client } from "../client/client.ts";
import { CliError } from "./exit/cli-error.ts";
import type { ExitName } from "./exit/exit-codes.ts";
import { followingOf } from "./follow.ts";
import type { Input } from "./input.ts";
import { readJson } from "./input.ts";
import type { Column } from "./output/table.ts";
import { requestOnce } from "./request-once.ts";
import type { Session } from "./session.ts";
import type { Option } from "./verb.ts";
import { watchMigration } from "./watch/watch-migration.ts";

type NewMigration = Parameters<Client["createMigration"]>[0];
type Policy = NonNullable<NewMigration["policy"]>;
export type DryRun = Awaited<ReturnType<Client["dryRunMigration"]>>;
export type Blocker = DryRun["blockers"][number];

/** The policy of a migration. */
export const policyOptions: readonly Option[] = [
  { flags: "--policy <file>", summary: "policy as JSON; the options below override its fields" },
  { flags: "--budget <time>", summary: "longest downtime allowed, such as 300ms" },
  { flags: "--max-bandwidth <rate>", summary: "limit of what is sent, B/s, such as 500M; 0: none" },
  { flags: "--tls <mode>", summary: "encryption of the stream", choices: ["off", "psk", "x509"] },
  { flags: "--gate", summary: "hold the switchover until it is permitted" },
  { flags: "--group <name:size>", summary: "switch over together with a group's other members" },
];

/** The policy of one VM's migration. */
export const copyOption: Option = {
  flags: "--copy <disk...>",
  summary: "disks that are not shared: copied with the guest",
};

/** Asking what would happen. */
export const dryRunOptions: readonly Option[] = [
  {
    flags: "--dry-run",
    summary: "start and compare a target, and say what would be done; -o wide: each setting",
  },
  { flags: "--exit-code", summary: "with --dry-run: exit 10 when something would move" },
];

/** @throws CliError when an option or the file does not fit */
export async function policyFrom(input: Input): Promise<Policy> {
  const file = input.text("policy");
  const base = (file === undefined ? {} : await readJson(file)) as Policy;
  const budget = input.durationMs("budget");
  const bandwidth = input.bytesPerSecond("maxBandwidth");
  const tls = input.text("tls") as Policy["tls"];
  const switchover = switchoverFrom(input, base);
  const copies = input.texts("copy").map((disk) => [disk, "copy"] as const);
  return {
    ...base,
    ...(budget === undefined ? {} : { downtimeBudgetMs: budget }),
    ...(bandwidth === undefined ? {} : { maxBandwidthBytesPerSecond: bandwidth }),
    ...(tls === undefined ? {} : { tls }),
    ...(copies.length === 0 ? {} : { storage: { ...base.storage, ...Object.fromEntries(copies) } }),
    ...(switchover === undefined ? {} : { switchover }),
  };
}

function switchoverFrom(input: Input, { switchover }: Policy): Policy["switchover"] {
  const group = input.text("group");
  if (group === undefined) {
    return input.flag("gate") ? { ...switchover, mode: "gated" } : switchover;
  }
  const [, name = "", size = ""] = /^([a-z0-9][a-z0-9-]{0,62}):(\d{1,3})$/.exec(group) ?? [];
  if (name === "") {
    throw new CliError("usage", `Expected --group to be name:size, got \`${group}\``);
  }
  return { ...switchover, mode: "gated", group: { name, size: Number(size) } };
}

/** Starts a migration, or asks what it would do, and follows it as the options say. */
export async function startMigration(
  session: Session,
  input: Input,
  wanted: NewMigration,
): Promise<ExitName> {
  if (input.flag("dryRun")) return showDryRun(session, input, wanted);
  const made = await requestOnce(session, (key) => session.api.createMigration(wanted, key));
  return followMigration(session, input, made);
}

/** Follows as `--watch`, `--wait` or `--detach` say; `made` is shown where nothing is followed. */
export async function followMigration(
  session: Session,
  input: Input,
  made: { readonly id: string; readonly vm: string; readonly target: string },
): Promise<ExitName> {
  const { output } = session;
  const follow = followingOf(input, output);
  if (follow !== "detach") {
    const timeoutMs = input.durationMs("timeout");
    return watchMigration(session, made.id, { shows: follow === "watch", timeoutMs });
  }
  if (output.isForPeople) {
    output.text(made.id);
    output.note(`${made.vm} moves to ${made.target}: switchyard migration watch ${made.id}`);
  } else output.object(made, made.id, []);
  return "done";
}

export const blockerColumns: readonly Column<Blocker>[] = [
  { name: "CODE", text: ({ code }) => code },
  { name: "FIELD", text: ({ field }) => field ?? "", wide: true },
  { name: "WHY", text: ({ message }) => message },
  { name: "CURE", text: ({ cure }) => cure },
];

type Choice = NonNullable<DryRun["agreement"]>["choices"][number];

export const choiceColumns: readonly Column<Choice>[] = [
  { name: "SETTING", text: ({ subject }) => subject },
  { name: "VALUE", text: ({ value }) => String(value) },
  { name: "REASON", text: ({ reason }) => reason },
];

function comparedLine({ twinCheck, notCompared }: DryRun): string {
  if (twinCheck === undefined) return `not compared: ${notCompared}`;
  const { harmlessTotal } = twinCheck;
  const found = harmlessTotal === 0 ? "the same" : `${harmlessTotal} harmless differences`;
  return `a target was started and compared with the guest: ${found}`;
}

async function showDryRun(session: Session, input: Input, wanted: NewMigration): Promise<ExitName> {
  const { output } = session;
  const found = await session.api.dryRunMigration(wanted);
  if (!output.isForPeople) {
    output.object(found, wanted.vm, []);
  } else if (found.agreement === undefined || !found.agreed) {
    output.text(`✗ ${wanted.vm} cannot move to ${wanted.target}: nothing was changed`);
    output.list(found.blockers, blockerColumns, ({ code }) => code);
  } else {
    const { ackMode, machineType, choices } = found.agreement;
    output.text(`${wanted.vm} would move to ${wanted.target}: ${machineType}, ACK ${ackMode}`);
    output.text(comparedLine(found));
    if (output.format === "wide") output.list(choices, choiceColumns, ({ subject }) => subject);
  }
  if (!found.agreed) return "refused";
  return input.flag("exitCode") ? "wouldMove" : "done";
}
