import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { AgentConfig } from "../runtime/config.ts";
import { type Finding, messageOf, ok, type Subject, warning, wrong } from "./finding.ts";

/** File systems that are empty after a reboot (linux/magic.h: TMPFS_MAGIC, RAMFS_MAGIC). */
const volatileTypes = new Set([0x01021994, 0x858458f6]);
const FREE_BYTES_MIN = 100 * 2 ** 20;
const MIB = 2 ** 20;

export function checkFolders({ runDir, stateDir }: AgentConfig): Finding[] {
  return [checkFolder("runDir", runDir), checkFolder("stateDir", stateDir)];
}

function checkFolder(subject: Subject, path: string): Finding {
  try {
    return existsSync(path) ? existing(subject, path) : missing(subject, path);
  } catch (error) {
    return wrong(subject, messageOf(error), `let the agent's user write into ${path}`);
  }
}

function existing(subject: Subject, path: string): Finding {
  const stats = statSync(path);
  if (!stats.isDirectory()) {
    return wrong(subject, `${path} is no folder`, `remove it, or set \`${subject}\``);
  }
  accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  const own = process.getuid?.();
  if (own !== undefined && stats.uid !== own) {
    const found = `${path} belongs to user ${stats.uid}, and this is user ${own}`;
    return wrong(subject, found, `run this as the agent's user, or: chown -R ${own} ${path}`);
  }
  const mode = stats.mode & 0o777;
  if ((mode & 0o077) !== 0) {
    const found = `other users may open ${path} (mode ${mode.toString(8)})`;
    return wrong(subject, found, `chmod 700 ${path}`);
  }
  return storage(subject, path, path);
}

/** The agent makes it at its start. */
function missing(subject: Subject, path: string): Finding {
  let parent = dirname(path);
  while (!existsSync(parent)) parent = dirname(parent);
  accessSync(parent, constants.W_OK | constants.X_OK);
  return storage(subject, parent, `${path}, which the agent will make`);
}

function storage(subject: Subject, path: string, name: string): Finding {
  const { type, bavail, bsize } = statfsSync(path);
  if (volatileTypes.has(type)) {
    const found = `${name}: it is in memory, and would be empty after a reboot`;
    const cure =
      "choose a folder on a disk: by what it holds the agent knows which guests ran here";
    return wrong(subject, found, cure);
  }
  const freeBytes = bavail * bsize;
  const free = `${Math.floor(freeBytes / MIB)} MiB free`;
  if (freeBytes >= FREE_BYTES_MIN) return ok(subject, `${name}: ${free}`);
  const cure = "make room: on a full disk the agent begins no command";
  return warning(subject, `${name}: only ${free}`, cure);
}
