import type { Difference } from "./comparison.ts";
import {
  type FilePair,
  hasPath,
  type Inspection,
  type Storage,
  type StorageProof,
} from "./storage.ts";

/** What is the same for all files of the two sides. */
export type Sides = { readonly isSameKernel: boolean; readonly isSameNetwork: boolean };

export function sidesOf(source: Storage, target: Storage): Sides {
  const isSameKernel = source.kernel === target.kernel;
  return { isSameKernel, isSameNetwork: isSameKernel && source.network === target.network };
}

/** The proof that needs no inspection; undefined: nothing is known yet. */
export function proofByIdentity(
  { source, target }: FilePair,
  { isSameKernel, isSameNetwork }: Sides,
): StorageProof | undefined {
  if (source.problem ?? target.problem) return undefined;
  if (target.isCopy) return "copied";
  if (isSameKernel && source.identity !== undefined && source.identity === target.identity) {
    return "same-file";
  }
  if (hasPath(source.driver)) return haveSameIds(source, target) ? "same-device" : undefined;
  const isSame = source.driver === target.driver && source.name === target.name;
  return isSame && (isSameNetwork || !isLocalName(source.name)) ? "same-export" : undefined;
}

function haveSameIds({ deviceIds: a = [] }: Ids, { deviceIds: b = [] }: Ids): boolean {
  return a.length > 0 && [...a].sort().join("\n") === [...b].sort().join("\n");
}
type Ids = { readonly deviceIds?: readonly string[] | undefined };

/** A name that means another server on another host. */
function isLocalName(name: string): boolean {
  return /(^nvme:)|\+unix:|unix:|localhost|\b127\.|\[::1\]|"::1"|"type": "unix"/.test(name);
}

/** Whether the two files can be proved the same by an inspection. */
export function isRegular({ source, target }: FilePair): boolean {
  const regular = (identity: string | undefined) => identity?.startsWith("file ") ?? false;
  return regular(source.identity) && regular(target.identity);
}

/** File systems whose inode numbers and times come from a server, or a cluster, for all hosts. */
const SHARED = new Set(["nfs", "ceph", "gfs2", "ocfs2", "lustre", "gpfs"]);

/** What both sides have seen of one pair. */
export type Inspections = {
  readonly source: Inspection;
  readonly target: Inspection;
  /** Why the source could not make the witness beside this file. */
  readonly witnessProblem?: string | undefined;
};

export function proofByInspection(
  { source, target }: FilePair,
  { source: ours, target: theirs, witnessProblem }: Inspections,
): StorageProof | undefined {
  if (witnessProblem === undefined && theirs.hasWitness) return "witness";
  if (
    witnessProblem !== undefined &&
    SHARED.has(source.fileSystem ?? "") &&
    source.fileSystem === target.fileSystem &&
    ours.attributes !== undefined &&
    ours.attributes === theirs.attributes
  ) {
    return "attributes";
  }
  const isSame = ours.digest !== undefined && ours.digest === theirs.digest;
  return isSame && source.isReadOnly && target.isReadOnly ? "same-content" : undefined;
}

/** Why a pair is not known to be the same storage, and what to do. */
export function storageDifference(pair: FilePair, inspections: Inspections | undefined): Values {
  const { source, target } = pair;
  const values = { source: describe(source), target: describe(target) };
  if (source.problem ?? target.problem) return { ...values, cure: UNIDENTIFIED };
  if (!hasPath(source.driver)) return { ...values, cure: EXPORT };
  if (!isRegular(pair)) return { ...values, cure: DEVICE };
  const contentProblem = inspections?.source.problem ?? inspections?.target.problem;
  if (source.isReadOnly && target.isReadOnly) {
    return {
      ...values,
      cure: contentProblem === undefined ? CONTENT : `${contentProblem}; ${CONTENT}`,
    };
  }
  const { witnessProblem } = inspections ?? {};
  return {
    ...values,
    cure: witnessProblem === undefined ? ANOTHER : `${witnessProblem}; ${UNPROVED}`,
  };
}

type Values = Pick<Difference, "source" | "target" | "cure">;

const ANOTHER =
  "another file has this name on the target, and the guest would go on with its content: mount the same storage on both hosts, and name the file by its path there";
const UNPROVED =
  "so it is not known whether the target has the same file: let the source's agent create a file in the folder of the image, or accept this difference by its name if both hosts share the storage";
const CONTENT =
  "give both hosts the same read-only file, by shared storage or as a copy with the same content, or eject it";
const DEVICE =
  "give both hosts the same device, one with a unique id (WWID) that both kernels know; or accept this difference by its name if it is the same";
const EXPORT =
  "name the server by an address that both hosts reach, not by a socket or loopback address; or accept this difference by its name if both reach the same export";
const UNIDENTIFIED =
  "see that the path leads to the file that QEMU has open, and that the agent may read its folder; a file that was replaced or removed while the guest ran is on no other host";

function describe({ driver, name, identity, fileSystem, problem, deviceIds }: Described): string {
  if (problem !== undefined) return `${name}: ${problem}`;
  const where = fileSystem === undefined ? "" : ` on ${fileSystem}`;
  const ids = deviceIds === undefined || deviceIds.length === 0 ? "" : ` (${deviceIds.join(", ")})`;
  return `${name}: ${identity ?? driver}${where}${ids}`;
}
type Described = FilePair["source"];

/** The cache modes of a pair that lose writes between two machines; undefined: none. */
export function unsafeCache(
  { source, target }: FilePair,
  { isSameKernel }: Sides,
): Values | undefined {
  if (isSameKernel || target.isCopy) return undefined;
  if (source.isReadOnly && target.isReadOnly) return undefined;
  const values = { source: source.unsafeCache ?? null, target: target.unsafeCache ?? null };
  if (values.source === null && values.target === null) return undefined;
  return { ...values, cure: CACHE };
}

const CACHE =
  "give the block device of the definition `cache.no-flush` false, and `cache.direct` true or `drop-cache` true; what the guest wrote may otherwise be in the cache of one host only";
