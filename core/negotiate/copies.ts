import { diskImageOf } from "../definition/disk-image.ts";
import { bytes } from "../format.ts";
import { isAtLeast, versionText } from "../qemu/version.ts";
import type { CopiedDisk, DiskWays, SourceDisk } from "../storage-copy/copied-disk.ts";
import type { Blocker, Choice } from "./agreement.ts";
import type { MigrationPolicy } from "./policy.ts";
import { type BothSides, SIDES } from "./sides.ts";

export const STORAGE_FIELD = "policy.storage";
const PAUSE = "pause-before-switchover";
/** NBD with TLS has crashed guests of earlier ones; copies were tried with this one. */
const RELEASE = "10.0";

/** The disks that a policy has copied, by their names in the definition. */
export function copiedNames({ storage = {} }: MigrationPolicy): string[] {
  return Object.keys(storage);
}

/** The policy of one VM's migration: where it names no disks, the VM's own rule does. */
export function withDisksOf<P extends Pick<MigrationPolicy, "storage">>(
  policy: P,
  { storage }: { readonly storage?: DiskWays | undefined },
): P {
  return policy.storage === undefined && storage !== undefined ? { ...policy, storage } : policy;
}

/** The argument by which both sides are asked about these disks. */
export function probedCopies(policy: MigrationPolicy): { copies?: string[] } {
  const copies = copiedNames(policy);
  return copies.length === 0 ? {} : { copies };
}

/** What in a policy rules a copy out, whatever the hosts are. */
export function checkCopyPolicy(policy: MigrationPolicy): Blocker[] {
  if (copiedNames(policy).length === 0) return [];
  const found: Blocker[] = [];
  if (policy.tls !== "psk") {
    found.push({
      code: "copy-needs-tls",
      field: "policy.tls",
      message: `Expected \`policy.tls\` to be psk where a disk is copied, got ${policy.tls}: only the key of this migration keeps others from writing to the disk`,
      cure: "Set policy.tls to psk, which needs nothing to be set up",
    });
  }
  if (policy.capabilities[PAUSE] === "forbid") {
    found.push({
      code: "copy-needs-pause",
      field: `policy.capabilities.${PAUSE}`,
      message: `A disk is copied, which needs \`${PAUSE}\`, got \`forbid\``,
      cure: `Do not forbid \`${PAUSE}\``,
    });
  }
  const postcopy = postcopyField(policy);
  if (postcopy !== undefined) {
    found.push({
      code: "copy-excludes-postcopy",
      field: postcopy,
      message: "A disk is copied, and the policy asks for postcopy: a guest has one or the other",
      cure: "Choose a ladder without postcopy, or put the disk on storage that both hosts share",
    });
  }
  return found;
}

function postcopyField({ convergence, capabilities, flags }: MigrationPolicy): string | undefined {
  if (convergence.ladder === "post-copy") return "policy.convergence.ladder";
  if (["ask", "require"].includes(capabilities["postcopy-ram"] ?? "")) {
    return "policy.capabilities.postcopy-ram";
  }
  const flag = flags.find((text) => /^(VIR_MIGRATE_)?POSTCOPY/.test(text));
  return flag === undefined ? undefined : `policy.flags.${flag}`;
}

export type PlannedCopies = { copies: CopiedDisk[]; blockers: Blocker[]; choices: Choice[] };

/** The disks to copy, as both sides have them; or why one of them cannot be copied. */
export function planCopies(sides: BothSides, policy: MigrationPolicy): PlannedCopies {
  const planned = Object.entries(policy.storage ?? {}).map(([disk, way]) =>
    planCopy(disk, sides, way === "move" ? "removed" : "kept"),
  );
  const copies = planned.flatMap((one) => ("copy" in one ? [one.copy] : []));
  const blockers = planned.flatMap((one) => ("blocker" in one ? [one.blocker] : []));
  return {
    copies,
    blockers: [...sideBlockers(planned.length, sides), ...blockers, ...roomBlockers(copies, sides)],
    choices: explain(copies),
  };
}

function planCopy(
  disk: string,
  sides: BothSides,
  sourceAfter: CopiedDisk["sourceAfter"],
): { copy: CopiedDisk } | { blocker: Blocker } {
  const image = diskImageOf(sides.definition, disk);
  if ("problem" in image) return refusal(disk, image.problem, NOT_AN_IMAGE);
  const there = sides.target.copies?.find((one) => one.disk === disk);
  if (there === undefined) return refusal(disk, "the target's agent cannot copy disks", UPGRADE);
  if (there.problem !== undefined || there.path === undefined) {
    return refusal(disk, there.problem ?? "the target has no place for it", there.cure ?? UPGRADE);
  }
  const here = findDisk(disk, sides);
  if (here === undefined) {
    const known = sides.source.disks?.map(({ node }) => node).join(", ") || "none";
    return refusal(disk, `the source's QEMU has no disk of this name, only: ${known}`, CORRECT);
  }
  const problem = sourceProblem(here, image.format);
  if (problem !== undefined) return refusal(disk, problem.message, problem.cure);
  const clusterBytes = image.format === "qcow2" ? here.clusterBytes : undefined;
  const copy = {
    disk,
    format: image.format,
    sizeBytes: here.sizeBytes,
    ...(clusterBytes === undefined ? {} : { clusterBytes }),
    sourceNode: here.node,
    sourcePath: here.path,
    sourceAfter,
    targetPath: there.path,
  };
  return { copy };
}

/** By the node's name, or by the device that has the disk in the definition. */
function findDisk(disk: string, { source, definition }: BothSides): SourceDisk | undefined {
  const { disks = [] } = source;
  const ids = definition.devices.flatMap(({ id, drive }) => (drive === disk ? [id] : []));
  return (
    disks.find(({ node }) => node === disk) ?? disks.find(({ device }) => ids.includes(device))
  );
}

function sourceProblem(
  { drivers, isReadOnly, isEncrypted, bitmaps, lockedBy = [] }: SourceDisk,
  format: CopiedDisk["format"],
): { message: string; cure: string } | undefined {
  const chain = drivers.join(" on ");
  const wanted = format === "qcow2" ? ["qcow2 on file"] : ["raw on file", "file"];
  if (!wanted.includes(chain)) {
    return {
      message: `the source's QEMU has it as ${chain}, and the definition as one ${format} image`,
      cure: "Merge its chain into one image (QMP, block-stream), or correct the definition (PATCH /v1/vms/{id}); then migrate again",
    };
  }
  if (isEncrypted) return { message: "its image is encrypted", cure: SHARE };
  if (isReadOnly) return { message: "the source's QEMU has it read-only", cure: NOT_AN_IMAGE };
  if (lockedBy.length > 0) {
    return {
      message: `its image is locked by ${lockedBy.join(", ")}: QEMU would abort when the copy begins`,
      cure: "Wait until the lock is released, or end its owner; then migrate again",
    };
  }
  if (bitmaps.length === 0) return undefined;
  return {
    message: `it has dirty bitmaps, which a copy leaves behind: ${bitmaps.join(", ")}`,
    cure: "Remove them (QMP, block-dirty-bitmap-remove), and begin the chain of backups anew after the move",
  };
}

const SHARE = "Put it on storage that both hosts share";
const NOT_AN_IMAGE = `Only a writable raw or qcow2 image in one file can be copied. ${SHARE}`;
const UPGRADE = "Let agents of the same version run on both hosts";
const CORRECT =
  "Name the disk by its `node-name` in the definition, and see that the definition is the process's";

function refusal(disk: string, message: string, cure: string): { blocker: Blocker } {
  const field = `${STORAGE_FIELD}.${disk}`;
  return { blocker: { code: "disk-not-copied", field, message: `Disk ${disk}: ${message}`, cure } };
}

/** What rules copies out, whichever disks they are of. */
function sideBlockers(disks: number, sides: BothSides): Blocker[] {
  if (disks === 0) return [];
  const found: Blocker[] = SIDES.flatMap((side) => {
    const { version } = sides[side].qemu;
    if (isAtLeast(version, RELEASE)) return [];
    return [
      {
        code: "copy-needs-qemu",
        field: `${side}.qemu.version`,
        message: `A disk is copied, which needs QEMU ${RELEASE} or later, and the ${side} has ${versionText(version)}`,
        cure: `Install QEMU ${RELEASE} on the ${side}, or put the disk on storage that both hosts share`,
      },
    ];
  });
  const device = sides.definition.devices.find((one) => hasThread(one));
  if (device === undefined) return found;
  const name = String(device.id ?? device.driver);
  found.push({
    code: "copy-excludes-iothreads",
    field: "definition.devices",
    message: `A disk is copied, and the device ${name} has an I/O thread: copies beside one were never tried`,
    cure: SHARE,
  });
  return found;
}

function hasThread(device: Readonly<Record<string, unknown>>): boolean {
  return device.iothread !== undefined || device["iothread-vq-mapping"] !== undefined;
}

/** Images on one file system share its room. */
function roomBlockers(copies: readonly CopiedDisk[], { target }: BothSides): Blocker[] {
  const places = new Map(target.copies?.map((place) => [place.disk, place]));
  const together = Map.groupBy(copies, ({ disk }) => places.get(disk)?.fileSystem);
  return [...together.values()].flatMap((images) => {
    const [first] = images;
    const free = first && places.get(first.disk)?.freeBytes;
    const needed = images.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    if (first === undefined || free === undefined || needed <= free) return [];
    const paths = images.map(({ targetPath }) => targetPath).join(", ");
    return [
      {
        code: "copy-needs-room",
        field: `target.copies.${first.disk}`,
        message: `The target has ${bytes(free)} of room for ${paths}, and the disks may grow to ${bytes(needed)}`,
        cure: "Make room on the target, or choose another host",
      },
    ];
  });
}

function explain(copies: readonly CopiedDisk[]): Choice[] {
  return copies.map(({ disk, format, sizeBytes, sourcePath, targetPath, sourceAfter }) => {
    const isKept = sourceAfter === "kept";
    const after = isKept
      ? "kept, as it was when the guest left"
      : "removed after the guest's arrival";
    return {
      subject: `storage ${disk}`,
      value: isKept ? "copy" : "move",
      reason: `asked for: ${bytes(sizeBytes)} (${format}) are copied to ${targetPath} while the guest runs; the source's ${sourcePath} is ${after}`,
    };
  });
}
