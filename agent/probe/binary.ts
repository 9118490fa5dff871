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
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { QemuProbe } from "../../core/probe.ts";
import { QmpClient } from "../qmp/client.ts";
import { probeQemu } from "./qemu.ts";

/**
 * What a QEMU binary can do, asked of a process of it without a guest, kept in `cacheDir` under the
 * identity of the file (path, size, modification time).
 *
 * @throws Error when the binary cannot be found or does not answer.
 */
export async function probeBinary(qemu: string, cacheDir: string): Promise<QemuProbe> {
  const path = findExecutable(qemu);
  const { size, mtimeMs } = statSync(path);
  const identity = `${path} ${size} ${Math.round(mtimeMs)}`;
  const cached = readCache(cacheDir, identity);
  if (cached) return cached;
  const probe = await askProcess(path, identity);
  mkdirSync(cacheDir, { recursive: true, mode: 0o700 });
  writeFileSync(cachePath(cacheDir), JSON.stringify(probe), { mode: 0o600 });
  return probe;
}

async function askProcess(path: string, identity: string): Promise<QemuProbe> {
  const folder = mkdtempSync(join(tmpdir(), "switchyard-probe-"));
  const socket = join(folder, "qmp.sock");
  const child = spawn(
    path,
    [
      ...["-machine", "none", "-nodefaults", "-no-user-config", "-display", "none", "-S"],
      ...["-qmp", `unix:${socket},server=on,wait=off`],
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-2_000);
  });
  const gone = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${path} ended with ${code}: ${errors}`)));
  });
  gone.catch(() => undefined);
  const stop = new AbortController();
  try {
    const connecting = QmpClient.connect(
      { path: socket },
      { connectTimeoutMs: 20_000, signal: stop.signal },
    );
    connecting.catch(() => undefined);
    const qmp = await Promise.race([connecting, gone]);
    const probe = await probeQemu(qmp, identity);
    await qmp.close();
    return probe;
  } finally {
    stop.abort();
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The file an executable's name means, links resolved. */
export function findExecutable(name: string): string {
  const folders = name.includes("/") ? [""] : (process.env.PATH ?? "").split(delimiter);
  for (const folder of folders) {
    const path = folder === "" ? name : join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return realpathSync(path);
    } catch {
      // Not here.
    }
  }
  throw new Error(`Failed to find the QEMU binary \`${name}\`: install QEMU or give its path`);
}

function cachePath(cacheDir: string): string {
  return join(cacheDir, "qemu-probe.json");
}

function readCache(cacheDir: string, identity: string): QemuProbe | undefined {
  if (!existsSync(cachePath(cacheDir))) return undefined;
  try {
    const probe = QemuProbe.parse(JSON.parse(readFileSync(cachePath(cacheDir), "utf8")));
    return probe.binary === identity ? probe : undefined;
  } catch {
    return undefined; // An older agent's cache.
  }
}
