import { spawn } from "node:child_process";

const OUTPUT_BYTES_MAX = 32 * 1024 * 1024;

export type CommandOptions = {
  /** Time the command may take before it is killed. */
  deadlineMs: number;
  cwd?: string;
  env?: Record<string, string>;
  /** Bytes handed to the command's standard input. Default: none. */
  input?: Uint8Array;
};

/**
 * Runs a program at low priority and returns what it wrote to standard output.
 *
 * @throws Error when it cannot be started, exits non-zero or passes its deadline; the message ends
 * with the last lines the program wrote.
 */
export async function runCommand(
  program: string,
  args: string[],
  options: CommandOptions,
): Promise<Buffer> {
  const child = spawn("nice", ["-n", "10", program, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    timeout: options.deadlineMs,
    killSignal: "SIGKILL",
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { PATH: process.env.PATH, LC_ALL: "C", ...options.env },
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  // A program that does not read its input closes the pipe; its exit code is what counts.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? Buffer.alloc(0));
  const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>(
    (resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code, signal) => resolve({ code, signal }));
    },
  );
  if (code === 0) return Buffer.concat(stdout.chunks);
  const cause = signal === "SIGKILL" ? `killed, limit ${options.deadlineMs} ms` : `exit ${code}`;
  throw new Error(`Failed to run ${program} ${args.join(" ")} (${cause}): ${tail(stderr, stdout)}`);
}

type Collected = {
  chunks: Buffer[];
};

function collect(stream: NodeJS.ReadableStream): Collected {
  const collected: Collected = { chunks: [] };
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= OUTPUT_BYTES_MAX) collected.chunks.push(chunk);
  });
  return collected;
}

function tail(stderr: Collected, stdout: Collected): string {
  const written = stderr.chunks.length > 0 ? stderr : stdout;
  const lines = Buffer.concat(written.chunks).toString().trim().split("\n");
  return lines.slice(-5).join(" | ");
}
