import { spawn } from "node:child_process";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as z from "zod";
import { HostFacts } from "../../core/protocol/host.ts";
import { QemuProbe } from "../../core/protocol/probe.ts";
import { QmpClient } from "../../qmp/client.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { replaceFile } from "../durable/replace-file.ts";
import { monitorOption, SANDBOX } from "../guest/arguments.ts";
import { probeCpuModels } from "../guest/cpu-models.ts";
import { guestEnvironment } from "../guest/launch.ts";
import { probeQemu } from "../guest/qemu-probe.ts";
import { bootId } from "../runtime/process.ts";
import { tiedToThisProcess } from "../runtime/tied-process.ts";
import { accelerators } from "./host.ts";

const PROBE_MS = 20_000;
const decidedBy = "stderr";

const Description = z.strictObject({
  probe: QemuProbe,
  /** It starts on this host with the sandbox of guests. */
  sandbox: z.boolean(),
  /** How the sandbox was probed; descriptions of agents that took any failure for none lack it. */
  decidedBy: z.literal("stderr"),
  /** What CPUs can be is the host's as well: its kernel, and its processor's microcode. */
  bootId: z.string(),
  cpuModels: HostFacts.shape.cpuModels.unwrap(),
});
export type BinaryDescription = z.infer<typeof Description>;

/**
 * What a QEMU binary can do on this host, queried from processes of it without a guest. It is cached in
 * `cacheDir` under the identity of the file (path, size, modification time), until the host boots.
 *
 * @throws CommandRefusedError `qemu` when the binary cannot be found or ends; QmpError when its QMP does
 *   not answer
 */
export async function describeBinary(qemu: string, cacheDir: string): Promise<BinaryDescription> {
  const path = findExecutable(qemu);
  const { size, mtimeMs } = statSync(path);
  const identity = `${path} ${size} ${Math.round(mtimeMs)}`;
  const known = readKnown(cacheDir, identity);
  if (known) return known;
  const [probed, kvm] = await Promise.all([
    probeWithSandbox(path, identity),
    accelerators().includes("kvm") ? probeKvm(path) : undefined,
  ]);
  const { tcg, ...rest } = probed;
  const cpuModels = { ...(tcg && { tcg }), ...(kvm && { kvm }) };
  const description = { ...rest, bootId: bootId(), cpuModels };
  mkdirSync(cacheDir, { recursive: true, mode: 0o700 });
  replaceFile(cachePath(cacheDir), JSON.stringify(description));
  return description;
}

/** The cache file that was read last. It is not read again until it changes. */
let lastRead: { stamp: string; description: BinaryDescription } | undefined;

function readKnown(cacheDir: string, identity: string): BinaryDescription | undefined {
  const path = cachePath(cacheDir);
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  const stamp = `${path} ${stats?.mtimeNs} ${stats?.size} ${identity}`;
  if (lastRead?.stamp === stamp) return lastRead.description;
  const description = readCache(cacheDir, identity);
  if (description) lastRead = { stamp, description };
  return description;
}

/**
 * A build without seccomp, or on a host that does not allow it, ends with status 1 and names the
 * sandbox on stderr. Any other failure, such as no answer in time, is an error: guests must not lose their
 * sandbox because a host was busy.
 */
async function probeWithSandbox(path: string, identity: string) {
  const probeAll = async (qmp: QmpClient) => {
    const [probe, tcg] = await Promise.all([probeQemu(qmp, identity), probeCpuModels(qmp)]);
    return { probe, tcg };
  };
  try {
    return { ...(await withProcess(path, SANDBOX, probeAll)), sandbox: true, decidedBy } as const;
  } catch (error) {
    if (!(error instanceof ProbeEndedError && hasNoSandbox(error))) throw error;
    return { ...(await withProcess(path, [], probeAll)), sandbox: false, decidedBy } as const;
  }
}

/** Undefined where KVM does not work, as in a build without it. */
async function probeKvm(path: string) {
  try {
    return await withProcess(path, ["-accel", "kvm"], probeCpuModels);
  } catch (error) {
    if (error instanceof ProbeEndedError) return undefined;
    throw error;
  }
}

/** The probed QEMU has ended by itself. */
class ProbeEndedError extends CommandRefusedError {
  readonly exitCode: number | null;
  readonly stderr: string;

  constructor(path: string, exitCode: number | null, stderr: string) {
    super("qemu", `${path} ended with ${exitCode} when it was probed: ${stderr}`);
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

/**
 * QEMU system/vl.c, parse_sandbox, and system/qemu-seccomp.c: "-sandbox support is not enabled in this
 * QEMU binary", "There is no option group 'sandbox'" or "-sandbox: invalid option" without seccomp in
 * the build; "failed to install seccomp syscall filter in the kernel" and "seccomp" refusals where the
 * host does not allow it.
 */
function hasNoSandbox({ exitCode, stderr }: ProbeEndedError): boolean {
  return exitCode === 1 && /sandbox|seccomp/i.test(stderr);
}

/** Starts the binary without a guest, and ends it once it was asked. */
async function withProcess<T>(
  path: string,
  options: readonly string[],
  ask: (qmp: QmpClient) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-probe-"));
  const socket = join(folder, "qmp.sock");
  const nothing = ["-machine", "none", "-nodefaults", "-no-user-config", "-display", "none", "-S"];
  // An agent that is killed meanwhile takes it along: QEMU outlives the end of its monitor.
  const [command, args] = tiedToThisProcess(path, [
    ...nothing,
    "-qmp",
    monitorOption(socket),
    ...options,
  ]);
  const child = spawn(command, args, {
    // Files that a binary leaves beside itself are removed with the folder.
    cwd: folder,
    stdio: ["ignore", "ignore", "pipe"],
    env: guestEnvironment(),
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2_000);
  });
  const ended = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("close", (code) => reject(new ProbeEndedError(path, code, errors)));
  });
  ended.catch(() => undefined);
  const stop = new AbortController();
  try {
    const connecting = QmpClient.connect(
      { path: socket },
      { connectTimeoutMs: PROBE_MS, signal: stop.signal },
    );
    connecting.catch(() => undefined);
    const qmp = await Promise.race([connecting, ended]);
    try {
      return await ask(qmp);
    } finally {
      await qmp.close();
    }
  } finally {
    stop.abort();
    child.kill("SIGKILL");
    await ended.catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The file that an executable's name stands for, links resolved. @throws CommandRefusedError `qemu` */
export function findExecutable(name: string): string {
  const folders = name.includes("/") ? [""] : (process.env.PATH ?? "").split(delimiter);
  for (const folder of folders) {
    const path = folder === "" ? name : join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return realpathSync(path);
    } catch {
      // Not in this folder.
    }
  }
  throw new CommandRefusedError(
    "qemu",
    `Failed to find the QEMU binary \`${name}\`: install QEMU, or set qemu in the agent's configuration`,
  );
}

function cachePath(cacheDir: string): string {
  return join(cacheDir, "qemu-probe.json");
}

function readCache(cacheDir: string, identity: string): BinaryDescription | undefined {
  if (!existsSync(cachePath(cacheDir))) return undefined;
  try {
    const cached = Description.parse(JSON.parse(readFileSync(cachePath(cacheDir), "utf8")));
    const isOfBinary =
      cached.probe.binary === identity && cached.probe.tlsCredentials !== undefined;
    return isOfBinary && cached.bootId === bootId() ? cached : undefined;
  } catch {
    return undefined; // An older agent's cache.
  }
}
