import * as z from "zod";

/** More image files of one guest are not inspected: the guest is refused. */
export const FILES_MAX = 500;
const NAME_CHARACTERS_MAX = 4_096;

const Name = z.string().max(NAME_CHARACTERS_MAX);
const Short = z.string().max(300);

/** What a chain of block nodes ends in: a file, a device of the host, an export of a server. */
export const StoredFile = z.strictObject({
  /** The disk that it belongs to, by the place of its device. */
  place: Name,
  /** QEMU's driver, e.g. `file`, `host_device`, `nbd`. */
  driver: z.string().max(64),
  /** As QEMU names it. */
  name: Name,
  isReadOnly: z.boolean(),
  /** Which file it is to the kernel of this host, e.g. `file 254:0 1234`. */
  identity: Short.optional(),
  /** Type of the file system, e.g. `nfs`. */
  fileSystem: z.string().max(64).optional(),
  /** Ids of the device that no other device has, the same on each host. */
  deviceIds: z.array(Short).max(64).optional(),
  /** Why it is not known which file it is. */
  problem: Short.optional(),
  /** On the target: an image that its agent has made, into which the source's image is copied. */
  isCopy: z.literal(true).optional(),
  /** Why its cache mode loses writes between two hosts. */
  unsafeCache: Short.optional(),
});
export type StoredFile = z.infer<typeof StoredFile>;

/** The storage that one side's QEMU has open. */
export const Storage = z.strictObject({
  /** The running kernel: two hosts with the same one are one machine. */
  kernel: z.string().max(64),
  /** The network namespace of the guest's process. */
  network: z.string().max(64),
  files: z.array(StoredFile).max(FILES_MAX),
  filesTotal: z.int().nonnegative(),
});
export type Storage = z.infer<typeof Storage>;

/** The name of the file that the source's agent makes for a moment beside its images. */
export const Witness = z.string().regex(/^\.switchyard-[0-9a-f]{32}$/);
export type Witness = z.infer<typeof Witness>;

/** What a side sees of one of its files at one moment. */
export const Inspection = z.strictObject({
  /** The witness is in the file's folder. */
  hasWitness: z.boolean(),
  /** Inode, size and times. */
  attributes: Short.optional(),
  /** Of the content, where it was asked for. */
  digest: Short.optional(),
  /** Why the content has no digest. */
  problem: Short.optional(),
});
export type Inspection = z.infer<typeof Inspection>;

/**
 * How the two sides' files are known to be the same storage:
 *
 * - `same-file`: the kernel that both sides run on says so;
 * - `same-device`: ids that no other device has;
 * - `same-export`: both QEMUs open the same export of the same server;
 * - `witness`: the target sees a file that the source has made in the folder of the image;
 * - `attributes`: inode, size and times of a shared file system are the same, to the nanosecond;
 * - `same-content`: both files are read-only, and have the same content;
 * - `copied`: not the same, but the target's is filled from the source's before the switchover.
 */
export const StorageProof = z.enum([
  "same-file",
  "same-device",
  "same-export",
  "witness",
  "attributes",
  "same-content",
  "copied",
]);
export type StorageProof = z.infer<typeof StorageProof>;

/** The same place of the same chain on both sides. */
export type FilePair = {
  readonly sourceAt: number;
  readonly targetAt: number;
  readonly source: StoredFile;
  readonly target: StoredFile;
};

/**
 * Pairs the files of both sides by their place in the machine. Files of chains that differ in length
 * have no pair: the chain itself is a difference.
 */
export function pairFiles(source: Storage, target: Storage): FilePair[] {
  const theirs = byPlace(target.files);
  return [...byPlace(source.files)].flatMap(([place, ours]) => {
    const same = theirs.get(place) ?? [];
    if (same.length !== ours.length) return [];
    return ours.flatMap((sourceAt, position) => {
      const targetAt = same[position];
      const files = { source: source.files[sourceAt], target: target.files[targetAt ?? -1] };
      if (targetAt === undefined || !files.source || !files.target) return [];
      return [{ sourceAt, targetAt, source: files.source, target: files.target }];
    });
  });
}

function byPlace(files: readonly StoredFile[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const [at, { place }] of files.entries()) {
    places.set(place, [...(places.get(place) ?? []), at]);
  }
  return places;
}

const PATHS = new Set(["file", "host_device", "host_cdrom"]);

/** Whether QEMU's driver opens a path of the host. */
export function hasPath(driver: string): boolean {
  return PATHS.has(driver);
}
