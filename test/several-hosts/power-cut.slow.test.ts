import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  CreateStateMachineCommand,
  ListExecutionsCommand,
  SFNClient,
  StartExecutionCommand,
} from "@aws-sdk/client-sfn";
import {
  CreateQueueCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Client, createClient } from "../../client/client.ts";
import { allOf } from "../../client/pages.ts";
import { Child } from "../../rig/child.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { waitUntil } from "../../rig/wait-until.ts";

/**
 * Cuts the power of the control plane's machine: its data folder is in a file system of its own, on
 * a loop device. What it has not synced is in no block of the image when that is copied.
 */
const PATIENCE_MS = 120_000;
const ROOT = join(import.meta.dirname, "../..");
const IMAGE_BYTES = 128 * 2 ** 20;
/** Of each kind, before the power is cut. */
const ACKNOWLEDGED_MIN = 20;
const MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:waits";

type Ready = { apiUrl: string; operatorToken: string; environment: Record<string, string> };
type Acknowledged = { hosts: string[]; messages: string[]; executions: string[] };

/** Mounts an image for the command that follows, and for as long as that runs. */
const mounted = (image: string, at: string) => [
  "unshare",
  "--mount",
  "sh",
  "-euc",
  // No commit of its own within the test.
  `mount -o loop,commit=300 "${image}" "${at}"; exec "$@"`,
  "sh",
];

function works(): boolean {
  const folder = ownedFolder();
  try {
    makeImage(join(folder, "image"));
    const [command = "", ...args] = mounted(join(folder, "image"), folder);
    return spawnSync(command, [...args, "true"]).status === 0;
  } catch {
    return false;
  } finally {
    removeFolder(folder);
  }
}

function makeImage(image: string): void {
  writeFileSync(image, "");
  truncateSync(image, IMAGE_BYTES);
  const { status } = spawnSync("mkfs.ext4", ["-q", "-F", image]);
  if (status !== 0) throw new Error("There is no mkfs.ext4");
}

const can = works();
const why = can ? "" : " (skipped: no ext4 on loop devices here, which takes root)";

describe.skipIf(!can)(`a control plane whose machine loses power${why}`, () => {
  let folder: string;
  let plane: Child | undefined;

  beforeAll(() => {
    folder = ownedFolder("sy-power-");
    mkdirSync(join(folder, "disk"));
  });
  afterAll(async () => {
    await plane?.stop();
    removeFolder(folder);
  });

  async function start(image: string, ...options: string[]): Promise<Ready> {
    const readyFile = join(folder, "ready.json");
    rmSync(readyFile, { force: true });
    const data = join(folder, "disk/data");
    const started = new Child({
      name: "control plane",
      args: [
        join(ROOT, "local/main.ts"),
        "--port=0",
        `--data-dir=${data}`,
        `--ready-file=${readyFile}`,
        ...options,
      ],
      environment: {},
      wrapper: mounted(join(folder, image), join(folder, "disk")),
      logFile: join(folder, "log"),
    });
    plane = started;
    return waitUntil(
      "the control plane",
      () => {
        if (!started.isRunning) throw new Error(started.logTail());
        try {
          return JSON.parse(readFileSync(readyFile, "utf8")) as Ready;
        } catch {
          return undefined;
        }
      },
      { timeoutMs: PATIENCE_MS },
    );
  }

  /** Writes until the power is cut in the middle of it. @returns what was acknowledged */
  async function writeAndCut(ready: Ready): Promise<Acknowledged> {
    const { api, sqs, sfn } = clientsOf(ready);
    const done: Acknowledged = { hosts: [], messages: [], executions: [] };
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: "test" }));
    const wait = { Type: "Wait", Seconds: 9_999, End: true };
    const definition = { QueryLanguage: "JSONata", StartAt: "W", States: { W: wait } };
    await sfn.send(
      new CreateStateMachineCommand({
        name: "waits",
        definition: JSON.stringify(definition),
        roleArn: "arn:aws:iam::000000000000:role/local",
      }),
    );
    let isOn = true;
    const repeat = async (list: string[], write: (name: string) => Promise<unknown>) => {
      for (let number = 0; isOn; number += 1) {
        const name = `n-${number}`;
        await write(name);
        list.push(name);
      }
    };
    const writers = Promise.allSettled([
      repeat(done.hosts, (id) => api.createHost({ id })),
      repeat(done.messages, (MessageBody) =>
        sqs.send(new SendMessageCommand({ QueueUrl, MessageBody })),
      ),
      repeat(done.executions, (name) =>
        sfn.send(new StartExecutionCommand({ stateMachineArn: MACHINE, name })),
      ),
    ]);
    await waitUntil(
      "acknowledged writes",
      () => Object.values(done).every((list) => list.length >= ACKNOWLEDGED_MIN) || undefined,
      { timeoutMs: PATIENCE_MS },
    );
    // From here on the process writes nothing; the copy is what is on the disk.
    plane?.kill("SIGSTOP");
    spawnSync("cp", [join(folder, "image"), join(folder, "cut")]);
    isOn = false;
    plane?.kill("SIGKILL");
    await plane?.exited;
    await writers;
    for (const client of [sqs, sfn]) client.destroy();
    return done;
  }

  async function found(ready: Ready): Promise<Acknowledged> {
    const { api, sqs, sfn } = clientsOf(ready);
    const hosts = (await allOf(api.listHosts)).map(({ id }) => id);
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: "test" }));
    const messages: string[] = [];
    const receive = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 });
    while (true) {
      const { Messages = [] } = await sqs.send(receive);
      if (Messages.length === 0) break;
      messages.push(...Messages.map(({ Body = "" }) => Body));
    }
    const list = new ListExecutionsCommand({ stateMachineArn: MACHINE, statusFilter: "RUNNING" });
    const { executions = [] } = await sfn.send(list);
    for (const client of [sqs, sfn]) client.destroy();
    return { hosts, messages, executions: executions.map(({ name = "" }) => name) };
  }

  it(
    "has everything that it has answered",
    async () => {
      makeImage(join(folder, "image"));
      const done = await writeAndCut(await start("image"));
      const left = await found(await start("cut"));
      expect(left.hosts).toEqual(expect.arrayContaining(done.hosts));
      expect(left.messages).toEqual(expect.arrayContaining(done.messages));
      expect(left.executions).toEqual(expect.arrayContaining(done.executions));
      await plane?.stop();
    },
    PATIENCE_MS,
  );

  it(
    "has lost writes with --no-flush: the cut is one",
    async () => {
      makeImage(join(folder, "image"));
      const done = await writeAndCut(await start("image", "--no-flush"));
      const left = await start("cut", "--no-flush").then(found, (error: Error) => error.message);
      if (typeof left === "string") expect(left).toContain("data folder");
      else expect(left.hosts.length).toBeLessThan(done.hosts.length);
    },
    PATIENCE_MS,
  );
});

function clientsOf({ apiUrl, operatorToken, environment }: Ready) {
  const settings = (service: string) => ({
    region: environment.AWS_REGION ?? "",
    endpoint: environment[`AWS_ENDPOINT_URL_${service}`] ?? "",
    maxAttempts: 1,
    credentials: {
      accessKeyId: environment.AWS_ACCESS_KEY_ID ?? "",
      secretAccessKey: environment.AWS_SECRET_ACCESS_KEY ?? "",
    },
  });
  const api: Client = createClient({ url: apiUrl, token: operatorToken });
  const sqs = new SQSClient({ ...settings("SQS"), useQueueUrlAsEndpoint: false });
  return { api, sqs, sfn: new SFNClient(settings("SFN")) };
}
