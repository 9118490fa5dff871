import {
  appendFileSync,
  cpSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CreateStateMachineCommand, SFNClient, StartExecutionCommand } from "@aws-sdk/client-sfn";
import { ListQueuesCommand, SQSClient } from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startStepFunctions } from "../../emulators/asl/server.ts";
import { openDataFolder, type StoredService } from "../../local/data-folder.ts";
import { Child } from "../../rig/child.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { waitUntil } from "../../rig/wait-until.ts";

const PATIENCE_MS = 60_000;
const MAIN = join(import.meta.dirname, "../../local/main.ts");
const services: StoredService[] = ["DYNAMODB", "SQS", "SFN"];
const GARBAGE = Buffer.alloc(5_000, "\u0001garbage\n");

let root: string;
/** A used folder, stopped; each test damages a copy. */
let used: string;
let folder: string;

beforeAll(async () => {
  root = ownedFolder("sy-data-");
  used = join(root, "used");
  folder = join(root, "folder");
  const cloud = start(used);
  await ready(cloud);
  // No time to end in order: the databases keep their write-ahead logs.
  cloud.kill("SIGKILL");
  await cloud.exited;
  await startWaitingExecution(join(used, "step-functions"));
}, PATIENCE_MS);
afterAll(() => removeFolder(root));

beforeEach(() => {
  removeFolder(folder);
  cpSync(used, folder, { recursive: true, preserveTimestamps: true });
});

function start(dataDir: string): Child {
  const args = [MAIN, "--port=0", `--data-dir=${dataDir}`];
  return new Child({ name: "cloud", args, environment: {}, logFile: `${dataDir}.log` });
}

function ready(cloud: Child): Promise<true> {
  return waitUntil(
    "the control plane",
    () => {
      if (!cloud.isRunning) throw new Error(cloud.logTail());
      return cloud.logTail().includes("Press Ctrl-C") || undefined;
    },
    { timeoutMs: PATIENCE_MS },
  );
}

async function startWaitingExecution(dataDir: string): Promise<void> {
  const engine = await startStepFunctions({ invoke: async () => ({ payload: null }), dataDir });
  const sfn = new SFNClient({
    region: "us-east-1",
    endpoint: engine.endpoint,
    credentials: { accessKeyId: "any", secretAccessKey: "any" },
  });
  const wait = { Type: "Wait", Seconds: 9_999, End: true };
  const definition = JSON.stringify({
    QueryLanguage: "JSONata",
    StartAt: "W",
    States: { W: wait },
  });
  const roleArn = "arn:aws:iam::000000000000:role/local";
  const created = await sfn.send(
    new CreateStateMachineCommand({ name: "waits", definition, roleArn }),
  );
  await sfn.send(new StartExecutionCommand({ stateMachineArn: created.stateMachineArn }));
  sfn.destroy();
  await engine.close();
}

/** Content of every file but the lock, by its name. */
function contents(): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => statSync(join(folder, name)).isFile() && name !== "lock");
  return Object.fromEntries(
    files.map((name) => [name, readFileSync(join(folder, name), "latin1")]),
  );
}

/** The one file whose name begins so. */
function find(part: string): string {
  const name = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .sort()
    .find((each) => each.startsWith(part) && statSync(join(folder, each)).isFile());
  if (name === undefined) throw new Error(`Expected the folder to have ${part}`);
  return join(folder, name);
}

const damage = {
  emptied: (file: string) => truncateSync(file, 0),
  "overwritten with garbage": (file: string) => writeFileSync(file, GARBAGE),
  deleted: (file: string) => rmSync(file),
  "cut off": (file: string) => truncateSync(file, Math.floor(statSync(file).size / 2)),
};
type Damage = keyof typeof damage;
const all: Damage[] = ["emptied", "overwritten with garbage", "deleted"];
const files: [file: string, damages: Damage[]][] = [
  ["switchyard.json", all],
  ["operator-token", all],
  ["access-key.json", all],
  // Made again when it is missing.
  ["signing-key", ["emptied", "overwritten with garbage"]],
  ["dynamodb/dynamodb.sqlite", all],
  ["sqs/sqs.sqlite", all],
  ["step-functions/generation", all],
  ["step-functions/machines.json", [...all, "cut off"]],
  ["step-functions/definitions/", all],
  // A journal that is missing cannot be known of by the folder: the sweep finds its migration.
  ["step-functions/executions/", ["emptied", "overwritten with garbage"]],
  ["dynamodb/dynamodb.sqlite-wal", ["overwritten with garbage"]],
];
const cases = files.flatMap(([file, damages]) =>
  damages.map((kind): [string, Damage] => [file, kind]),
);

describe("a used data folder", () => {
  it("is opened again after kill -9", () => {
    const opened = openDataFolder(folder, services);
    expect(opened.isNew).toBe(false);
    opened.close();
  });

  it.each(cases)("with %s %s is refused with the file's name, and not changed", (part, kind) => {
    const file = find(part);
    damage[kind](file);
    const before = contents();
    const named = file.replace(/-wal$/, "");
    expect(() => openDataFolder(folder, services)).toThrow(named);
    expect(contents()).toEqual(before);
  });

  it("with a database damaged in its middle is refused", () => {
    const file = find("sqs/sqs.sqlite");
    const database = new DatabaseSync(file);
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    database.close();
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.fill(0xff, 4_096, 8_192));
    expect(() => openDataFolder(folder, services)).toThrow(file);
  });

  describe("of which a part is another folder's", () => {
    const other = () => join(root, "other");

    beforeAll(async () => {
      const cloud = start(other());
      await ready(cloud);
      await cloud.stop();
    }, PATIENCE_MS);

    it.each(["dynamodb", "sqs", "step-functions"])("is refused: %s", (name) => {
      rmSync(join(folder, name), { recursive: true });
      cpSync(join(other(), name), join(folder, name), { recursive: true });
      expect(() => openDataFolder(folder, services)).toThrow("belongs to another data folder");
    });
  });

  it(
    "names all damaged files in one paragraph, with exit code 1",
    async () => {
      truncateSync(join(folder, "operator-token"), 0);
      truncateSync(join(folder, "dynamodb/dynamodb.sqlite"), 0);
      const cloud = start(folder);
      await cloud.exited;
      expect(cloud.exitCode).toBe(1);
      const lines = cloud.logTail().trimEnd().split("\n");
      expect(lines).toHaveLength(1);
      expect(lines[0]).toContain("operator-token is empty, too short or damaged: write a token");
      expect(lines[0]).toContain("dynamodb.sqlite is empty");
    },
    PATIENCE_MS,
  );

  it(
    "has the only key that may do everything, and gives agents none",
    async () => {
      const cloud = start(folder);
      await ready(cloud);
      const lines = readFileSync(join(folder, "agent.env"), "utf8").trimEnd().split("\n");
      const agent = Object.fromEntries(lines.map((line) => line.split("=")));
      const list = async (accessKeyId: string, secretAccessKey: string) => {
        const sqs = new SQSClient({
          region: agent.AWS_REGION,
          endpoint: agent.AWS_ENDPOINT_URL_SQS,
          credentials: { accessKeyId, secretAccessKey },
        });
        return sqs.send(new ListQueuesCommand({})).finally(() => sqs.destroy());
      };
      await expect(list("local", "local")).rejects.toThrow();
      expect(Object.keys(agent).sort()).toEqual(["AWS_ENDPOINT_URL_SQS", "AWS_REGION"]);
      const key = JSON.parse(readFileSync(join(folder, "access-key.json"), "utf8"));
      await list(key.accessKeyId, key.secretAccessKey);
      await cloud.stop();
    },
    PATIENCE_MS,
  );

  it("with a journal whose last line was cut off is opened", () => {
    appendFileSync(find("step-functions/executions/"), '{"header":{"sta');
    openDataFolder(folder, services).close();
  });

  it("that another process uses is refused with its number", () => {
    const opened = openDataFolder(folder, services);
    expect(() => openDataFolder(folder, services)).toThrow(`process ${process.pid} uses it`);
    opened.close();
  });

  it.each(["emptied", "overwritten with garbage"] as const)("opens with its lock %s", (kind) => {
    damage[kind](join(folder, "lock"));
    openDataFolder(folder, services).close();
  });

  it("is readable by its user only", () => {
    const open = readdirSync(used, { recursive: true, encoding: "utf8" }).filter(
      (name) => (statSync(join(used, name)).mode & 0o077) !== 0,
    );
    expect(open).toEqual([]);
  });
});
