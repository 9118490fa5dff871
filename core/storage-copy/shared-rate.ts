/** What is left for memory that is calm: dirty pages of a guest that is held are sent later. */
const CALM_BYTES_PER_SECOND = 20_000;

export type Sharing = {
  /** The cap of the whole migration, B/s; 0: none. */
  readonly capBytesPerSecond: number;
  /** Nothing of the guest's memory is left to send for now. */
  readonly isMemoryCalm: boolean;
  /** Disks whose copies run. */
  readonly disks: number;
};

/**
 * The rate of each disk's copy, B/s; 0: unlimited. Memory and disks get half of the cap each; while
 * memory has nothing to send, the disks get its half, too.
 */
export function diskRate({ capBytesPerSecond: cap, isMemoryCalm, disks }: Sharing): number {
  if (cap === 0 || disks === 0) return 0;
  const forDisks = isMemoryCalm ? Math.max(cap - CALM_BYTES_PER_SECOND, cap / 2) : cap / 2;
  return Math.max(1, Math.floor(forDisks / disks));
}

/** What memory gets of the cap while disks are copied, B/s; 0: unlimited. */
export function memoryRate(capBytesPerSecond: number): number {
  return capBytesPerSecond === 0 ? 0 : Math.max(1, Math.ceil(capBytesPerSecond / 2));
}
