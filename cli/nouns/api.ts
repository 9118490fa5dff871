import { CliError } from "../exit/cli-error.ts";
import { type Input, readJson } from "../input.ts";
import type { Session } from "../session.ts";
import type { Verb } from "../verb.ts";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

export const apiVerb: Verb = {
  name: "api",
  summary: "Send any request to the API and print the answer as JSON",
  operations: [],
  arguments: [
    { name: "<method>", summary: METHODS.join(", ") },
    { name: "<path>", summary: "such as /v1/hosts" },
  ],
  options: [
    { flags: "-f, --field <name=value...>", summary: "a query parameter, or a member of the body" },
    { flags: "--input <file>", summary: "the body as JSON; - is stdin" },
    { flags: "--paginate", summary: "read every page of a list" },
  ],
  details:
    "Values of fields are text; true, false, null and numbers are sent as such in a body.\n" +
    "GET /v1/openapi.json describes every request.",
  run: runApi,
};

type Answer = { items?: unknown[]; next?: string };

async function runApi({ api, output }: Session, input: Input): Promise<undefined> {
  const method = input.argument(0).toUpperCase();
  const path = input.argument(1);
  if (!METHODS.includes(method)) {
    throw new CliError("usage", `Expected one of ${METHODS.join(", ")}; got \`${method}\``);
  }
  // What follows the base URL must not name another host.
  if (!path.startsWith("/"))
    throw new CliError("usage", `Expected a path with a / before it, got \`${path}\``);
  const fields = input.texts("field").map(splitField);
  const file = input.text("input");
  const isRead = method === "GET" || method === "DELETE";
  const query = isRead ? fields : [];
  const members = isRead ? [] : fields.map(([name, value]) => [name, literal(value)] as const);
  const given = file === undefined ? undefined : await readJson(file);
  const body =
    members.length === 0 ? given : { ...(given as object), ...Object.fromEntries(members) };
  let answer = await api.request<Answer>(method, withQuery(path, query), body);
  if (input.flag("paginate") && Array.isArray(answer.items)) {
    const items = [...answer.items];
    while (answer.next !== undefined) {
      answer = await api.request<Answer>(
        method,
        withQuery(path, [...query, ["after", answer.next]]),
      );
      items.push(...(answer.items ?? []));
    }
    answer = { items };
  }
  if (output.format === "ndjson" && Array.isArray(answer.items)) {
    for (const item of answer.items) output.event(item as object);
  } else output.json(answer);
  return undefined;
}

function splitField(field: string): readonly [string, string] {
  const at = field.indexOf("=");
  if (at < 1) throw new CliError("usage", `Expected name=value, got \`${field}\``);
  return [field.slice(0, at), field.slice(at + 1)];
}

function literal(text: string): unknown {
  return /^(true|false|null|-?\d{1,15}(\.\d{1,15})?)$/.test(text) ? JSON.parse(text) : text;
}

function withQuery(path: string, query: readonly (readonly [string, string])[]): string {
  if (query.length === 0) return path;
  const parameters = new URLSearchParams(
    query.map(([name, value]): [string, string] => [name, value]),
  );
  return `${path}${path.includes("?") ? "&" : "?"}${parameters}`;
}
