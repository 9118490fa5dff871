import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export type Child = {
  /** The first line it wrote. */
  firstLine: string;
  /** Ends it as `kill -9` does, and waits until it has exited. */
  kill(): Promise<void>;
};

/**
 * Runs TypeScript source in a Node process of its own, until it has written its first line.
 *
 * @param source of an ES module; relative imports are resolved from `emulators/aws/`.
 */
export async function startChild(source: string, ...args: string[]): Promise<Child> {
  const { child, exit } = run(source, args);
  const lines = createInterface({ input: child.stdout });
  const [firstLine] = await Promise.race([
    once(lines, "line"),
    exit.then((code) => {
      throw new Error(`Child ended with ${code} before its first line`);
    }),
  ]);
  return {
    firstLine: String(firstLine),
    async kill() {
      child.kill("SIGKILL");
      await exit;
    },
  };
}

/** Runs source as above until it ends, and returns its exit code or the signal it died of. */
export async function runChild(source: string, ...args: string[]): Promise<number | string> {
  return run(source, args).exit;
}

function run(source: string, args: string[]) {
  const nodeArgs = ["--input-type=module-typescript", "--eval", source, ...args];
  const child = spawn(process.execPath, nodeArgs, {
    cwd: new URL("..", import.meta.url),
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exit = once(child, "exit").then(([code, signal]): number | string => signal ?? code);
  return { child, exit };
}
