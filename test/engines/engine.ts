import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { tiedToThisProcess } from "../../agent/runtime/tied-process.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { PYTHON } from "./install.ts";

const START_MS = 120_000;

export type EngineName = "moto" | "ministack";

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
  const { path, configure } = { moto, ministack }[name];
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
    await post(`${url}${path}`);
    await configure?.(url);
  };
  return { url, reset, stop };
}

/** What is asked for to forget everything, and what has to be set after that and at the start. */
type Control = { path: string; configure?: (url: string) => Promise<void> };

const moto: Control = {
  path: "/moto-api/reset",
  // As it comes, it answers StartExecution and executes nothing.
  configure: (url) =>
    post(`${url}/moto-api/config`, { stepfunctions: { execute_state_machine: true } }),
};
const ministack: Control = { path: "/_ministack/reset" };

function start(name: EngineName, { port, lambdaUrl, logFile }: Place): ChildProcess {
  const words =
    name === "moto"
      ? [PYTHON, join(import.meta.dirname, "moto_server.py"), String(port), lambdaUrl]
      : [PYTHON, "-m", "ministack"];
  const own = {
    // ministack listens on every address unless it is told one.
    BIND_HOST: "127.0.0.1",
    MINISTACK_HOST: "localhost",
    GATEWAY_PORT: String(port),
    SERVICES: "dynamodb,sqs",
  };
  const log = openSync(logFile, "w", 0o600);
  try {
    const [command, args] = tiedToThisProcess(words[0] ?? PYTHON, words.slice(1));
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
