import { entriesOf } from "../../client/pages.ts";
import { age } from "../../core/format.ts";
import { type FailureGroup, groupFailures } from "../../core/migration/failure-groups.ts";
import type { ExitName } from "../exit/exit-codes.ts";
import type { Input } from "../input.ts";
import type { Column } from "../output/table.ts";
import type { Session } from "../session.ts";
import type { Verb } from "../verb.ts";
import type { Migration } from "./migration-rows.ts";

const SINCE_DEFAULT_MS = 86_400_000;
const VMS_SHOWN_MAX = 3;

export const failures: Verb = {
  name: "failures",
  summary: "Group what failed by its code, with cures",
  operations: ["listMigrations"],
  options: [
    { flags: "--since <time>", summary: "how far back, such as 24h (default) or 7d" },
    { flags: "--code <code>", summary: "only this code" },
  ],
  details: "Exit 7: the state of a VM is unknown, and a person must look.",
  run: runFailures,
};

async function runFailures(session: Session, input: Input): Promise<ExitName | undefined> {
  const { api, output } = session;
  const since = Date.now() - (input.durationMs("since") ?? SINCE_DEFAULT_MS);
  const found: Migration[] = [];
  for await (const one of entriesOf(api.listMigrations)) {
    // Newest first: what follows is older.
    if (Date.parse(one.createdAt) < since) break;
    found.push(one);
  }
  const code = input.text("code");
  const groups = groupFailures(found).filter((group) => code === undefined || group.code === code);
  const needsPerson = groups.some((group) => group.needsPerson);
  output.list(groups, columns(Date.now()), (group) => group.code, "");
  const failed = groups.reduce((sum, { count }) => sum + count, 0);
  const person = needsPerson ? "; the unknown ones need a person" : "";
  output.note(`${failed} of ${found.length} migrations failed${person}`);
  return needsPerson ? "unknown" : undefined;
}

function columns(nowMs: number): Column<FailureGroup>[] {
  return [
    { name: "CODE", text: ({ code, needsPerson }) => `${needsPerson ? "! " : ""}${code}` },
    { name: "N", text: ({ count }) => String(count), right: true, sortBy: ({ count }) => count },
    { name: "VMS", text: ({ vms }) => vmList(vms) },
    {
      name: "LAST",
      text: ({ lastAt }) => `${age(nowMs - Date.parse(lastAt))} ago`,
      sortBy: ({ lastAt }) => lastAt,
    },
    { name: "STATE", text: ({ state }) => state, wide: true },
    { name: "WHAT TO DO", text: ({ cure }) => cure },
  ];
}

function vmList(vms: readonly string[]): string {
  const more = vms.length - VMS_SHOWN_MAX;
  return `${vms.slice(0, VMS_SHOWN_MAX).join(" ")}${more > 0 ? ` and ${more} more` : ""}`;
}
