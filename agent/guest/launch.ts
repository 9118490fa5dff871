import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { identify, type ProcessIdentity, startTicks } from "../runtime/process.ts";

/** How QEMU is started. */
export type Launch = {
  readonly qemu: string;
  readonly args: readonly string[];
  readonly folder: string;
  /** What it writes goes to the end of this file. */
  readonly output: string;
};

/** A QEMU that has been started, and outlives the agent. */
export type Launched = {
  readonly identity: ProcessIdentity;
  /** Rejects when the process ends; it is watched until the signal aborts. */
  ended(signal: AbortSignal): Promise<never>;
  kill(): void;
};

/** QEMU's process did not come to be. */
export class LaunchError extends Error {
  override name = "LaunchError";
}

/**
 * Starts QEMU as a child of the agent.
 *
 * @throws LaunchError; the system's error, such as E2BIG or ENOSPC
 */
export async function launchChild({ qemu, args, folder, output }: Launch): Promise<Launched> {
  const descriptor = openSync(output, "a", 0o600);
  try {
    const child = spawn(qemu, args, {
      detached: true,
      stdio: ["ignore", descriptor, descriptor],
      cwd: folder,
      env: guestEnvironment(),
    });
    const end = endOf(child, qemu);
    end.catch(() => undefined);
    child.unref();
    if (child.pid === undefined || startTicks(child.pid) === undefined) await end;
    const identity = identify(child.pid);
    return { identity, ended: () => end, kill: () => void child.kill("SIGKILL") };
  } finally {
    // spawn throws, for example, E2BIG.
    closeSync(descriptor);
  }
}

function endOf(child: ChildProcess, qemu: string): Promise<never> {
  return new Promise((_, reject) => {
    child.once("error", (cause) => reject(new LaunchError(`Cannot run ${qemu}`, { cause })));
    child.once("exit", (code, signal) =>
      reject(new LaunchError(`QEMU ended with ${code ?? signal}`)),
    );
  });
}

/** For processes that the agent starts: without its AWS credentials. */
export function guestEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_")),
  );
}
