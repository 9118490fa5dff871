import { execFile } from "node:child_process";
import { stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { diskImageOf } from "../../core/definition/disk-image.ts";
import type { CopiedDisk, TargetDisk } from "../../core/storage-copy/copied-disk.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import type { Resources } from "../guest/resources.ts";
import { textOf } from "../runtime/host-values.ts";
import type { WantedImage } from "../storage/copy-images.ts";

const ANSWER_MS = 5_000;

/** Where the images of these disks would be made on this host, and whether that is possible. */
export async function copyPlaces(
  names: readonly string[],
  definition: VmDefinition,
  resources: Resources,
): Promise<TargetDisk[]> {
  return await Promise.all(names.map((disk) => placeOf(disk, definition, resources)));
}

async function placeOf(
  disk: string,
  definition: VmDefinition,
  resources: Resources,
): Promise<TargetDisk> {
  const found = imageOf(disk, definition, resources);
  // The negotiation says why, from the definition and the missing resources.
  if (found === undefined) return { disk };
  const { path, format } = found;
  const problem = await problemAt(path, format);
  if (problem !== undefined) return { disk, path, ...problem };
  const [{ dev }, { bavail, bsize }] = await Promise.all([
    stat(dirname(path)),
    statfs(dirname(path)),
  ]);
  return { disk, path, fileSystem: String(dev), freeBytes: bavail * bsize };
}

/**
 * The images to make on this host. Where they are is decided by the definition alone, whatever a
 * command says.
 *
 * @throws CommandRefusedError when the definition has no such disk here
 */
export function wantedImages(
  copies: readonly CopiedDisk[],
  definition: VmDefinition,
  resources: Resources,
): WantedImage[] {
  return copies.map(({ disk, sizeBytes, clusterBytes }) => {
    const found = imageOf(disk, definition, resources);
    if (found !== undefined) return { disk, sizeBytes, clusterBytes, ...found };
    const message = `Disk ${disk}: expected one image in the definition and on this host, got none: correct the definition`;
    throw new CommandRefusedError("refused", message);
  });
}

function imageOf(disk: string, definition: VmDefinition, resources: Resources) {
  const image = diskImageOf(definition, disk);
  if ("problem" in image) return undefined;
  const path = pathOf(image.filename, resources);
  return path === undefined ? undefined : { path, format: image.format };
}

/** Undefined: the host lacks the resource. */
function pathOf(
  filename: string | { $host: string; file?: string | undefined },
  resources: Resources,
): string | undefined {
  if (typeof filename === "string") return filename;
  const value = resources[filename.$host];
  if (value === undefined || (typeof value === "object" && value.type === "tap")) return undefined;
  const text = textOf(value);
  return filename.file === undefined ? text : join(text, filename.file);
}

async function problemAt(
  path: string,
  format: "raw" | "qcow2",
): Promise<Pick<TargetDisk, "problem" | "cure"> | undefined> {
  const folder = await stat(dirname(path)).catch(() => undefined);
  if (folder?.isDirectory() !== true) {
    return {
      problem: `the target has no folder ${dirname(path)} for ${path}`,
      cure: "Make the folder on the target, or give the definition a file in a folder of the host ({$host})",
    };
  }
  const taken = await stat(path).catch(() => undefined);
  if (taken !== undefined) {
    return {
      problem: `the target has a file ${path} already`,
      cure: "See whether it is the same storage, which needs no copy, or an older copy: move that away on the target, then migrate again",
    };
  }
  if (format === "raw" || (await hasQemuImg())) return undefined;
  return {
    problem: "the target has no qemu-img, which makes a qcow2 image",
    cure: "Install it on the target (package qemu-utils)",
  };
}

async function hasQemuImg(): Promise<boolean> {
  return await promisify(execFile)("qemu-img", ["--version"], { timeout: ANSWER_MS }).then(
    () => true,
    () => false,
  );
}
