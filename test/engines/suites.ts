import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { EngineName } from "./engine-name.ts";
import { ROOT } from "./install.ts";

export type Service = "DYNAMODB" | "SQS" | "SFN";

export type Suite = {
  readonly name: string;
  /** What takes the place of which service; the others are ours. */
  readonly engines: Partial<Record<Service, EngineName>>;
  /** Each begins with engines that have forgotten the one before. */
  readonly files: readonly string[];
};

/** Real guests move, with nothing of ours but the functions and the agents. */
const moves = ["demo", "moves", "gate", "requests", "lost-guests", "postcopy", "restarts.slow"].map(
  (name) => `test/e2e/${name}.test.ts`,
);

/** Those that need no clock and no disk of our own. */
const states = [
  "flow",
  "task",
  "fan-out",
  "history",
  "jsonata",
  "redrive",
  "token",
  "executions",
  "state-machines",
].map((name) => `emulators/asl/${name}.test.ts`);

const queues = ["emulators/aws/sqs/queue-cases.test.ts"];

const tables = ["dynamodb", "transact"].map((name) => `emulators/aws/dynamodb/${name}.test.ts`);

/**
 * Another engine cannot be told to refuse calls (`busy-table`), and its requests cannot be put in an
 * order from within this process (`admission`).
 */
const ofOurEngine = /^(busy-table|admission)\./;
const functionTests = readdirSync(join(ROOT, "test/functions"))
  .filter((name) => name.endsWith(".test.ts") && !ofOurEngine.test(name))
  .map((name) => `test/functions/${name}`);

export const suites: readonly Suite[] = [
  {
    name: "everything-on-moto",
    engines: { DYNAMODB: "moto", SQS: "moto", SFN: "moto" },
    files: moves,
  },
  {
    name: "everything-on-three",
    engines: { DYNAMODB: "ministack", SQS: "elasticmq", SFN: "moto" },
    files: moves,
  },
  { name: "states-on-moto", engines: { SFN: "moto" }, files: states },
  { name: "queues-on-elasticmq", engines: { SQS: "elasticmq" }, files: queues },
  { name: "queues-on-moto", engines: { SQS: "moto" }, files: queues },
  { name: "queues-on-ministack", engines: { SQS: "ministack" }, files: queues },
  { name: "tables-on-moto", engines: { DYNAMODB: "moto" }, files: tables },
  { name: "tables-on-ministack", engines: { DYNAMODB: "ministack" }, files: tables },
  {
    name: "functions-on-moto",
    engines: { DYNAMODB: "moto", SQS: "moto" },
    files: functionTests,
  },
  {
    name: "functions-on-ministack",
    engines: { DYNAMODB: "ministack", SQS: "elasticmq" },
    files: functionTests,
  },
];
