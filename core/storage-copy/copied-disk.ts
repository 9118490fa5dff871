import * as z from "zod";

/** How many disks one migration copies. */
export const COPIES_MAX = 16;

const BYTES_MAX = Number.MAX_SAFE_INTEGER;
const Path = z.string().max(4_096);
const Text = z.string().max(500);

/** The name of a disk's block node in the definition (QEMU block.c: 31 characters at most). */
export const DiskName = z
  .string()
  .max(31)
  .regex(/^[A-Za-z][A-Za-z0-9._-]*$/, "expected the name of a block node of the definition");

export const DiskNames = z.array(DiskName).max(COPIES_MAX);

/**
 * Disks that the hosts do not share, by the name of their block node in the definition. `copy`: the
 * target's agent makes an image, which is filled while the guest runs; the source's image is kept.
 * `move`: the same, and the source's image is removed once the guest has been seen on the target.
 */
export const DiskWays = z
  .record(DiskName, z.enum(["copy", "move"]))
  .refine(
    (disks) => Object.keys(disks).length <= COPIES_MAX,
    `expected at most ${COPIES_MAX} disks`,
  );
export type DiskWays = z.infer<typeof DiskWays>;

/** Sizes of disks, bytes, by the name of their block node in the definition. */
export const DiskSizes = z.record(DiskName, z.int().nonnegative().max(BYTES_MAX));
export type DiskSizes = z.infer<typeof DiskSizes>;

/** A disk of a running guest, as the source's QEMU has it. */
export const SourceDisk = z.strictObject({
  /** The upper block node's name, which may be QEMU's own. */
  node: z.string().max(64),
  /** The id of its device, or the device's path. */
  device: z.string().max(256).optional(),
  /** Drivers from the upper node down, e.g. `qcow2`, `file`. */
  drivers: z.array(z.string().max(64)).max(16),
  /** The lowest node's file. */
  path: Path,
  sizeBytes: z.int().nonnegative().max(BYTES_MAX),
  clusterBytes: z.int().positive().optional(),
  isReadOnly: z.boolean(),
  isEncrypted: z.boolean(),
  bitmaps: z.array(z.string().max(1_024)).max(100),
  /** Owners of locks on its file that QEMU's jobs would run into; absent: none, or an older agent. */
  lockedBy: z.array(Text).max(10).optional(),
});
export type SourceDisk = z.infer<typeof SourceDisk>;

/** Where the target would make the image of a disk. */
export const TargetDisk = z.strictObject({
  disk: DiskName,
  path: Path.optional(),
  /** The file system that the image would be on, and its room. */
  fileSystem: z.string().max(64).optional(),
  freeBytes: z.int().nonnegative().max(BYTES_MAX).optional(),
  /** Why the image cannot be made there, and what to do. */
  problem: Text.optional(),
  cure: Text.optional(),
});
export type TargetDisk = z.infer<typeof TargetDisk>;

/** One disk that a migration copies. */
export const CopiedDisk = z.strictObject({
  disk: DiskName,
  format: z.enum(["raw", "qcow2"]),
  sizeBytes: z.int().nonnegative().max(BYTES_MAX),
  /** Of a qcow2 image. */
  clusterBytes: z.int().positive().optional(),
  /** The source's block node. */
  sourceNode: z.string().max(64),
  /** The source's image: only read, and in the end kept as it was when the guest left, or removed. */
  sourcePath: Path,
  sourceAfter: z.enum(["kept", "removed"]).default("kept"),
  /** The image that the target's agent makes. */
  targetPath: Path,
});
export type CopiedDisk = z.infer<typeof CopiedDisk>;

export const CopiedDisks = z.array(CopiedDisk).max(COPIES_MAX);
