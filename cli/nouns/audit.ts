import type { Client } from "../../client/client.ts";
import { entriesOf } from "../../client/pages.ts";
import { CliError } from "../exit/cli-error.ts";
import type { Verb } from "../verb.ts";

type Entry = Awaited<ReturnType<Client["listAudit"]>>["items"][number];

export const auditVerb: Verb = {
  name: "audit",
  summary: "Show who changed what on one day, newest first",
  operations: ["listAudit"],
  options: [
    { flags: "--day <date>", summary: "day of UTC, such as 2026-11-30; default: today" },
    { flags: "--who <subject>", summary: "only what this caller has done" },
  ],
  run: async (session, input) => {
    const { api, output } = session;
    const day = input.text("day");
    if (day !== undefined && !/^\d{4}-\d\d-\d\d$/.test(day)) {
      throw new CliError("usage", `Expected --day as 2026-11-30, got \`${day}\``);
    }
    const who = input.text("who");
    const entries: Entry[] = [];
    const list: Client["listAudit"] = (query) =>
      api.listAudit({ ...query, ...(day === undefined ? {} : { day }) });
    for await (const entry of entriesOf(list)) {
      if (who === undefined || entry.who === who) entries.push(entry);
    }
    output.list(
      entries,
      [
        { name: "AT", text: ({ at }) => session.time(at), sortBy: ({ at }) => at },
        { name: "WHO", text: (entry) => entry.who },
        { name: "OPERATION", text: ({ operation, path }) => `${operation.split(" ")[0]} ${path}` },
        { name: "ANSWER", text: ({ status, code }) => [status, code].filter(Boolean).join(" ") },
      ],
      ({ at }) => at,
    );
    return undefined;
  },
};
