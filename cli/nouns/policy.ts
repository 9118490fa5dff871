import type { Client } from "../../client/client.ts";
import { readJson } from "../input.ts";
import type { Column } from "../output/table.ts";
import type { Session } from "../session.ts";
import type { Noun } from "../verb.ts";

type Policy = Awaited<ReturnType<Client["checkPolicy"]>>["policy"];
type Field = { readonly field: string; readonly value: string; readonly given: boolean };

export const policyNoun: Noun = {
  name: "policy",
  summary: "Policies: how migrations are done",
  verbs: [
    {
      name: "show",
      summary: "Show the policy of a migration that gives none: the defaults",
      operations: ["checkPolicy"],
      details: "What each field means: docs/reference/policies.md",
      run: async (session) => showPolicy(session, {}),
    },
    {
      name: "check",
      summary: "Have a policy checked, and show it with its defaults; nothing is stored",
      operations: ["checkPolicy"],
      arguments: [{ name: "<file>", summary: "policy as JSON; - is stdin" }],
      details:
        "Exit 3: the policy contradicts itself, or has a name or value that does not exist. Whether two\n" +
        "hosts can follow it: switchyard migrate <vm> --to <host> --policy <file> --dry-run",
      run: async (session, input) => {
        const given = await readJson(input.argument(0));
        const shown = await showPolicy(session, given);
        session.output.note("The policy is sound");
        return shown;
      },
    },
  ],
};

async function showPolicy({ api, output }: Session, given: unknown): Promise<undefined> {
  const { policy } = await api.checkPolicy(given as Parameters<Client["checkPolicy"]>[0]);
  if (!output.isForPeople) {
    output.object(policy, "policy", []);
    return undefined;
  }
  const named = new Set(fieldsOf(given as Policy).map(([field]) => field));
  const rows = fieldsOf(policy).map(([field, value]) => ({
    field,
    value,
    given: named.has(field),
  }));
  output.list(rows, columns, ({ field }) => field);
  return undefined;
}

/** `ack.deadlineMs` and its value, for each member that has none of its own. */
function fieldsOf(value: object, path = ""): [field: string, value: string][] {
  return Object.entries(value).flatMap(([name, member]): [string, string][] => {
    const field = `${path}${name}`;
    const isGroup = typeof member === "object" && member !== null && !Array.isArray(member);
    if (isGroup && Object.keys(member).length > 0) return fieldsOf(member, `${field}.`);
    return [[field, typeof member === "string" ? member : JSON.stringify(member)]];
  });
}

const columns: readonly Column<Field>[] = [
  { name: "FIELD", text: ({ field }) => field },
  { name: "VALUE", text: ({ value }) => value },
  { name: "FROM", text: ({ given }) => (given ? "the file" : "default") },
];
