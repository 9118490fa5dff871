import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { EngineName } from "./engine.ts";
import { ROOT } from "./install.ts";

export type Service = "DYNAMODB" | "SQS" | "SFN";

export type Suite = {
  readonly name: string;
  readonly engine: EngineName;
  /** What the engine takes the place of; the others are ours. */
  readonly services: readonly Service[];
  /** Each begins with an engine that has forgotten the one before. */
  readonly files: readonly string[];
};

const e2e = (name: string) => `test/e2e/${name}.test.ts`;

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

const tables = ["dynamodb", "transact"].map((name) => `emulators/aws/dynamodb/${name}.test.ts`);

/** Without what tests our emulators' own faults: another engine cannot be told to have them. */
const functionTests = readdirSync(join(ROOT, "test/functions"))
  .filter((name) => name.endsWith(".test.ts") && name !== "busy-table.test.ts")
  .map((name) => `test/functions/${name}`);

export const suites: readonly Suite[] = [
  {
    name: "everything-on-moto",
    engine: "moto",
    services: ["DYNAMODB", "SQS", "SFN"],
    files: ["demo", "moves", "gate", "requests", "lost-guests", "restarts"].map(e2e),
  },
  {
    name: "states-on-moto",
    engine: "moto",
    services: ["SFN"],
    files: states,
  },
  {
    name: "tables-on-moto",
    engine: "moto",
    services: ["DYNAMODB"],
    files: tables,
  },
  {
    name: "tables-on-ministack",
    engine: "ministack",
    services: ["DYNAMODB"],
    files: tables,
  },
  {
    name: "functions-on-moto",
    engine: "moto",
    services: ["DYNAMODB", "SQS"],
    files: functionTests,
  },
  {
    name: "functions-on-ministack",
    engine: "ministack",
    services: ["DYNAMODB", "SQS"],
    files: functionTests,
  },
];
