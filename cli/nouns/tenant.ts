import type { Client } from "../../client/client.ts";
import { allOf } from "../../client/pages.ts";
import { CliError } from "../exit/cli-error.ts";
import type { Session } from "../session.ts";
import type { Argument, Noun } from "../verb.ts";

type Tenant = Awaited<ReturnType<Client["getTenant"]>>;

const name: Argument = { name: "<tenant>", summary: "as its VMs name it" };

export const tenantNoun: Noun = {
  name: "tenant",
  summary: "How many migrations the VMs of one tenant may have at once",
  verbs: [
    {
      name: "list",
      summary: "List the tenants that have a limit",
      operations: ["listTenants"],
      run: async ({ api, output }) => {
        output.list(
          await allOf((page) => api.listTenants(page)),
          [
            { name: "TENANT", text: (row) => row.name },
            { name: "LIMIT", text: limitText, right: true },
            { name: "SENDING", text: ({ transferring }) => String(transferring), right: true },
            { name: "PREPARED", text: ({ preparing }) => String(preparing), right: true },
          ],
          (row) => row.name,
        );
        return undefined;
      },
    },
    {
      name: "show",
      summary: "Show a tenant's limit and migrations",
      operations: ["getTenant"],
      arguments: [name],
      run: async (session, input) =>
        showTenant(session, await session.api.getTenant(input.argument(0))),
    },
    {
      name: "limit",
      summary: "Limit how many migrations of a tenant's VMs may send at once",
      operations: ["changeTenant"],
      arguments: [name, { name: "<number>", summary: "1 to 1000, or none" }],
      details: "As many more may be prepared. Those that are under way keep what they have.",
      run: async (session, input) => {
        const migrationsAtOnce = limitOf(input.argument(1));
        const changed = await session.api.changeTenant(input.argument(0), { migrationsAtOnce });
        return showTenant(session, changed);
      },
    },
  ],
};

function limitOf(text: string): number | null {
  if (text === "none") return null;
  if (/^\d+$/.test(text)) return Number(text);
  throw new CliError("usage", `Expected a number or none, got ${text}`);
}

function limitText({ migrationsAtOnce }: Tenant): string {
  return migrationsAtOnce === undefined ? "none" : String(migrationsAtOnce);
}

function showTenant({ output }: Session, shown: Tenant): undefined {
  output.object(shown, shown.name, [
    ["tenant", shown.name],
    ["limit", limitText(shown)],
    ["sending", String(shown.transferring)],
    ["prepared", String(shown.preparing)],
  ]);
  return undefined;
}
