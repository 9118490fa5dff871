import { spawn } from "node:child_process";
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identify, isAlive, type ProcessIdentity } from "../agent/runtime/process.ts";
import { killProcessesUnder } from "./processes.ts";

const OWNER_FILE = ".owner";

/** A pid means something in one namespace only: containers may share a temporary folder. */
type Owner = ProcessIdentity & { pidNamespace: string };

/**
 * Reads folders until its input ends, which is when their owner has ended, however it did. Then it
 * kills the processes that name one of them, and removes them. The pattern is in no argument, so that
 * grep does not find itself.
 */
const GUARD = `
folders=
while read -r folder; do folders="$folders $folder"; done
for folder in $folders; do
  [ -d "$folder" ] || continue
  for pass in 1 2 3 4 5; do
    pids=$(printf '%s/' "$folder" | grep -lsFf - /proc/[0-9]*/cmdline | cut -d / -f 3)
    [ -n "$pids" ] || break
    kill -s KILL $pids 2>/dev/null
  done
  rm -rf "$folder"
done
`;

type Guard = { add: (folder: string) => void };
let guard: Guard | undefined;

/**
 * A new temporary folder for an installation. It is removed, with the processes that name it, by
 * `removeFolder`, or at the end of this process. If that fails as well, the next process that asks
 * for such a folder removes it.
 */
export function ownedFolder(prefix = "sy-"): string {
  if (guard === undefined) sweepFolders();
  guard ??= startGuard();
  const folder = mkdtempSync(join(tmpdir(), prefix));
  guard.add(folder);
  const owner: Owner = { ...identify(process.pid), pidNamespace: pidNamespace() };
  writeFileSync(join(folder, OWNER_FILE), JSON.stringify(owner));
  return folder;
}

/** Kills the processes that name this folder, and removes it. May be called again. */
export function removeFolder(folder: string): void {
  // Also guests that no manifest names: an agent may have been killed before it wrote one.
  killProcessesUnder(folder);
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Removes the folders in the temporary folder whose owners have ended, and returns them. */
export function sweepFolders(): string[] {
  const left = readdirSync(tmpdir())
    .map((name) => join(tmpdir(), name))
    .filter(isLeft);
  for (const folder of left) removeFolder(folder);
  return left;
}

function isLeft(folder: string): boolean {
  try {
    if (lstatSync(folder).uid !== process.getuid?.()) return false;
    const owner = JSON.parse(readFileSync(join(folder, OWNER_FILE), "utf8")) as Owner;
    return owner.pidNamespace === pidNamespace() && !isAlive(owner);
  } catch {
    return false; // Something else, or its owner is being written.
  }
}

/** In a session of its own: what a terminal sends to the owner does not end it. */
function startGuard(): Guard {
  const child = spawn("sh", ["-c", GUARD], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  const stdin = child.stdin as Socket;
  child.unref();
  stdin.unref();
  // Of a guard that was killed: the next owner's sweep takes its place.
  stdin.on("error", () => undefined);
  return { add: (folder) => void stdin.write(`${folder}\n`) };
}

function pidNamespace(): string {
  return readlinkSync("/proc/self/ns/pid");
}
