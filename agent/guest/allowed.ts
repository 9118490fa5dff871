import { realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, normalize, sep } from "node:path";
import type { VmDefinition } from "../../core/vm.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { type AllowConfig, CHARDEVS, REFUSED } from "../runtime/allow-config.ts";

/** The agent's configuration, as far as it decides what a definition may name. */
export type Allowing = {
  allow: AllowConfig;
  runDir: string;
  stateDir: string;
  joinTokenFile?: string | undefined;
  tls?: { dir: string } | undefined;
};

/**
 * Members that are files of the host (qapi/block-core.json, qom.json, net.json, char.json; QEMU's
 * devices). Any other text that begins with `/` counts as one, too.
 */
const FILES = new Set([
  "filename",
  "mem-path",
  "path",
  "logfile",
  "log",
  "file",
  "dir",
  "rootdir",
  "romfile",
  "sysfsdev",
  "vhostdev",
  "evdev",
  "bios",
  "initrd",
  "tftp",
  "smb",
]);
/** Members of networks that run programs of the host. */
const PROGRAMS = new Set(["script", "downscript", "helper"]);

/**
 * Refuses a definition that names what this host does not allow.
 *
 * @throws CommandRefusedError `refused`, naming every such part
 */
export function refuseUnlessAllowed(definition: VmDefinition, config: Allowing): void {
  const refused = refusedParts(definition, config);
  if (refused.length === 0) return;
  throw new CommandRefusedError(
    "refused",
    `This host does not allow ${refused.slice(0, 10).join("; ")}: correct the definition, or name it in \`allow\` of the configuration of the host's agent`,
  );
}

/** Parts of a definition that this host does not allow, each with what it names. */
export function refusedParts(definition: VmDefinition, config: Allowing): string[] {
  return [...kindProblems(definition, config.allow), ...fileProblems(definition, config)];
}

function kindProblems(definition: VmDefinition, allow: AllowConfig): string[] {
  const { objects, devices, chardevs = [], netdevs = [] } = definition;
  const notIn = (refused: readonly string[]) => (kind: string) => !refused.includes(kind);
  return [
    ...kinds("objects", objects, "qom-type", allow.objects ?? notIn(REFUSED.objects)),
    ...kinds("devices", devices, "driver", allow.devices ?? notIn(REFUSED.devices)),
    ...kinds("chardevs", chardevs, "backend", allow.chardevs ?? CHARDEVS),
    ...kinds("netdevs", netdevs, "type", allow.netdevs ?? notIn([])),
  ];
}

function kinds(
  field: string,
  parts: readonly Readonly<Record<string, unknown>>[],
  member: string,
  rule: readonly string[] | ((kind: string) => boolean),
): string[] {
  const allows = typeof rule === "function" ? rule : matcherOf(rule);
  return parts.flatMap((part, index) => {
    const kind = String(part[member]);
    return allows(kind) ? [] : [`${field}[${index}] (${member} ${kind})`];
  });
}

function matcherOf(names: readonly string[]): (kind: string) => boolean {
  const patterns = names.map((name) => {
    const text = name.split("*").map((part) => part.replaceAll(".", "\\."));
    return new RegExp(`^${text.join(".*")}$`);
  });
  return (kind) => patterns.some((pattern) => pattern.test(kind));
}

function fileProblems(definition: VmDefinition, config: Allowing): string[] {
  const own = [config.runDir, config.stateDir, config.joinTokenFile, config.tls?.dir];
  const refused = own.flatMap((path) => (path === undefined ? [] : [realPath(path)]));
  const { paths } = config.allow;
  if (paths === undefined) refused.push(...REFUSED.paths.map(realPath));
  const allowed = (paths ?? ["/"]).map(realPath);
  return textsOf(definition, []).flatMap(({ path, text }) => {
    const member = String(path.findLast((part) => typeof part === "string"));
    const where = fieldName(path);
    if (PROGRAMS.has(member)) return text === "no" ? [] : [`${where}, a program: ${text}`];
    if (/^guestfwd$|^str$/.test(member) && /-cmd:/.test(text)) return [`${where}: ${text}`];
    if (!isFile(path, member, text)) return [];
    if (!isAbsolute(text)) return [`${where}, a path that is not absolute: ${text}`];
    const real = realPath(text);
    const isFree = allowed.some((folder) => isIn(real, folder));
    return isFree && !refused.some((folder) => isIn(real, folder)) ? [] : [`${where}: ${text}`];
  });
}

/**
 * `file` of a block node may be another node's name; `kernel.path` is a file as any `path`. An empty
 * text is no file: `romfile` has it for a device without an option ROM.
 */
function isFile(path: readonly (string | number)[], member: string, text: string): boolean {
  if (text === "") return false;
  if (text.startsWith("/")) return path[0] !== "kernel" || member !== "append";
  if (member === "file" && path[0] === "blockdevs") return false;
  return FILES.has(member) && path[0] !== "machineOptions" && path[0] !== "globals";
}

type Found = { path: (string | number)[]; text: string };

/** Every text of a definition but placeholders, whose values are this host's. */
function textsOf(value: unknown, path: (string | number)[]): Found[] {
  if (typeof value === "string") return [{ path, text: value }];
  if (typeof value !== "object" || value === null) return [];
  if ("$host" in value || "$guest" in value) return [];
  return Object.entries(value).flatMap(([member, child]) =>
    textsOf(child, [...path, Array.isArray(value) ? Number(member) : member]),
  );
}

function fieldName(path: readonly (string | number)[]): string {
  return path.reduce<string>(
    (name, part) =>
      typeof part === "number" ? `${name}[${part}]` : name ? `${name}.${part}` : part,
    "",
  );
}

/** Links resolved as far as the path exists, so that none leads out of a folder. */
function realPath(path: string): string {
  const clean = normalize(path);
  try {
    return realpathSync(clean);
  } catch {
    const parent = dirname(clean);
    return parent === clean ? clean : join(realPath(parent), basename(clean));
  }
}

function isIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`);
}
