import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DeleteQueueCommand, ListQueuesCommand } from "@aws-sdk/client-sqs";
import { tiedToThisProcess } from "../../agent/runtime/tied-process.ts";
import { sqsClient } from "../../emulators/aws/testing/clients.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import type { EngineName } from "./engine-name.ts";
import { CLASS_PATH, PYTHON } from "./install.ts";

const START_MS = 120_000;

/** A service of AWS as somebody else has written it, on loopback. */
export type Engine = {
  readonly url: string;
  /** Forgets everything. */
  reset(): Promise<void>;
  stop(): Promise<void>;
};

type Place = {
  port: number;
  /** Where the functions are served, for Step Functions. */
  lambdaUrl: string;
  logFile: string;
};

/** @throws Error with the end of its log when it does not start */
export async function startEngine(name: EngineName, place: Place): Promise<Engine> {
  const url = `http://127.0.0.1:${place.port}`;
  const { forget, configure } = { moto, ministack, elasticmq }[name];
  const process = start(name, place);
  const stop = () => end(process);
  try {
    await waitUntil(
      `${name} on port ${place.port}`,
      () => {
        if (process.exitCode !== null) throw new Error(`${name} ended: ${tail(place.logFile)}`);
        return answers(url);
      },
      { timeoutMs: START_MS, everyMs: 100 },
    );
    await configure?.(url);
  } catch (error) {
    await stop();
    throw error;
  }
  const reset = async () => {
    await forget(url);
    await configure?.(url);
  };
  return { url, reset, stop };
}

type Control = {
  forget(url: string): Promise<void>;
  /** What has to be set after that, and at the start. */
  configure?(url: string): Promise<void>;
};

const moto: Control = {
  forget: (url) => post(`${url}/moto-api/reset`),
  // As it comes, it answers StartExecution and executes nothing.
  configure: (url) =>
    post(`${url}/moto-api/config`, { stepfunctions: { execute_state_machine: true } }),
};
const ministack: Control = { forget: (url) => post(`${url}/_ministack/reset`) };
const elasticmq: Control = {
  forget: async (url) => {
    const sqs = sqsClient(url);
    const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({}));
    for (const QueueUrl of QueueUrls) await sqs.send(new DeleteQueueCommand({ QueueUrl }));
    sqs.destroy();
  },
};

function start(name: EngineName, { port, lambdaUrl, logFile }: Place): ChildProcess {
  const [program = "", ...words] = {
    moto: [PYTHON, join(import.meta.dirname, "moto_server.py"), String(port), lambdaUrl],
    ministack: [PYTHON, "-m", "ministack"],
    elasticmq: [
      "java",
      "-Xmx256m",
      // Addresses of queues are made with this one.
      `-Dnode-address.port=${port}`,
      "-Dnode-address.host=127.0.0.1",
      `-Drest-sqs.bind-port=${port}`,
      "-Drest-sqs.bind-hostname=127.0.0.1",
      "-Drest-stats.enabled=false",
      "-cp",
      CLASS_PATH,
      "org.elasticmq.server.Main",
    ],
  }[name];
  const own = {
    // It leaves a file with its process id.
    TMPDIR: dirname(logFile),
    // ministack listens on every address unless it is told one.
    BIND_HOST: "127.0.0.1",
    MINISTACK_HOST: "localhost",
    GATEWAY_PORT: String(port),
    SERVICES: "dynamodb,sqs",
  };
  const log = openSync(logFile, "w", 0o600);
  try {
    const [command, args] = tiedToThisProcess(program, words);
    return spawn(command, args, {
      env: { ...process.env, ...(name === "ministack" ? own : {}) },
      stdio: ["ignore", log, log],
    });
  } finally {
    closeSync(log);
  }
}

async function answers(url: string): Promise<true | undefined> {
  try {
    await fetch(url, { signal: AbortSignal.timeout(1_000) });
    return true;
  } catch {
    return undefined;
  }
}

async function post(url: string, body?: object): Promise<void> {
  const answer = await fetch(url, {
    method: "POST",
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`Expected ${url} to answer 200, got ${answer.status}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exited;
}

function tail(file: string): string {
  return readFileSync(file, "utf8").slice(-2_000);
}
