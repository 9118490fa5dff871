import { STATUS_CODES } from "node:http";

const COLUMNS = 100;
/** Room for a member's name before its value. */
const MARGIN = 20;

type Example = { summary?: string; value?: unknown; $ref?: string };
type Media = { example?: unknown; examples?: Record<string, Example> };
type Content = Record<string, Media | undefined>;
type Parameter = { name: string; in: string; required?: boolean; description?: string };
type Response = { description: string; content?: Content };
export type ApiOperation = {
  operationId: string;
  tags: string[];
  summary: string;
  description?: string;
  security?: unknown[];
  parameters?: Parameter[];
  requestBody?: { content: Content };
  responses: Record<string, Response>;
};

/** The members of the OpenAPI document that the reference is written from. */
export type ApiDocument = {
  info: { description: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, ApiOperation>>;
  components: { examples: Record<string, Example> };
};

type Placed = { method: string; path: string; operation: ApiOperation };

/** Writes the reference of the API: one section for each operation, with its examples. */
export function writeReference(document: ApiDocument): string {
  const operations = operationsOf(document);
  const head = [
    "# API",
    "<!-- Written by `npm run openapi`. Change the code, not this file. -->",
    "The schemas of requests and answers are in [openapi.json](openapi.json), which the API answers " +
      "at `GET /v1/openapi.json`. What to do about each code: [failures.md](failures.md).",
    document.info.description,
  ];
  const sections = document.tags.flatMap(({ name, description }) => [
    `## ${name}`,
    description,
    ...operations
      .filter(({ operation }) => operation.tags.includes(name))
      .flatMap((placed) => sectionOf(placed, document.components.examples)),
  ]);
  return `${[...head, ...sections].map(wrap).join("\n\n")}\n`;
}

export function operationsOf({ paths }: Pick<ApiDocument, "paths">): Placed[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path,
      operation,
    })),
  );
}

function sectionOf(placed: Placed, examples: ApiDocument["components"]["examples"]): string[] {
  const { method, path, operation } = placed;
  const answers = Object.entries(operation.responses);
  const successes = answers.filter(([status]) => status.startsWith("2"));
  return [
    `### ${operation.summary}`,
    `\`${method} ${path}\` (\`${operation.operationId}\`)`,
    ...(operation.description === undefined ? [] : [operation.description]),
    ...parametersOf(operation.parameters ?? []),
    requestOf(placed),
    ...successes.flatMap(([status, response]) => [
      `${response.description}:`,
      answerOf(status, response),
    ]),
    refusalsOf(answers, examples),
  ];
}

function parametersOf(parameters: Parameter[]): string[] {
  if (parameters.length === 0) return [];
  const rows = parameters.map(
    ({ name, in: place, required, description = "" }) =>
      `| \`${name}\` | ${place}${required ? ", required" : ""} | ${description} |`,
  );
  return [["| parameter | in | |", "|---|---|---|", ...rows].join("\n")];
}

function requestOf({ method, path, operation }: Placed): string {
  const body = operation.requestBody?.content["application/json"]?.example;
  const lines = [`${method} ${examplePath(path)}`];
  if (operation.security === undefined) lines.push("authorization: Bearer <operator's token>");
  if (body !== undefined) lines.push("content-type: application/json", "", json(body));
  return fence(lines);
}

const EXAMPLE_IDS = { hosts: "host-a", vms: "web1", migrations: "mig_01M8N1VNDJ2TD7XCBRST3FAP8W" };

/** The path with the id of the thing that the examples are about. */
function examplePath(path: string): string {
  const [, , noun = ""] = path.split("/");
  return path.replace("{id}", EXAMPLE_IDS[noun as keyof typeof EXAMPLE_IDS]);
}

function answerOf(status: string, { content }: Response): string {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status]}`];
  const body = content?.["application/json"]?.example;
  if (body !== undefined) lines.push("content-type: application/json", "", json(body));
  return fence(lines);
}

function refusalsOf(
  answers: [string, Response][],
  examples: ApiDocument["components"]["examples"],
): string {
  const rows = answers.flatMap(([status, { content }]) =>
    Object.keys(content?.["application/problem+json"]?.examples ?? {}).map(
      (code) => `| ${status} | \`${code}\` | ${examples[code]?.summary} |`,
    ),
  );
  return ["| status | code | |", "|---|---|---|", ...rows].join("\n");
}

/** JSON with each value on one line where it fits. */
function json(value: unknown, indent = ""): string {
  const inline = inlineJson(value);
  if (inline.length + indent.length < COLUMNS - MARGIN) return inline;
  const inner = `${indent}  `;
  if (Array.isArray(value)) {
    return `[\n${value.map((item) => inner + json(item, inner)).join(",\n")}\n${indent}]`;
  }
  if (typeof value !== "object" || value === null) return inline;
  const members = Object.entries(value).map(
    ([name, member]) => `${inner}${JSON.stringify(name)}: ${json(member, inner)}`,
  );
  return `{\n${members.join(",\n")}\n${indent}}`;
}

function inlineJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(inlineJson).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}: ${inlineJson(member)}`,
  );
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}

function fence(lines: string[]): string {
  return ["```http", ...lines, "```"].join("\n");
}

/** Breaks a paragraph into lines; tables, code and headings stay as they are. */
function wrap(paragraph: string): string {
  if (/^(#|\||```|<!--)/.test(paragraph)) return paragraph;
  const lines = [""];
  for (const word of paragraph.split(" ")) {
    const line = lines.at(-1) ?? "";
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + word.length < COLUMNS) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines.join("\n");
}
