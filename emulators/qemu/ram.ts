import type { Guest } from "./guest.ts";

export const PAGE_BYTES = 4096;
/** ROMs and similar memory, which QEMU migrates with the RAM. */
const ROM_BYTES = 532480;
/** Size of a page's header in the stream; a zero page is only this. */
const HEADER_BYTES = 9;

/** The guest's memory as migration sees it: how much of it is dirty. No content. */
export type Ram = {
  readonly totalBytes: number;
  /** Marks everything dirty: the start of a migration. */
  begin(): void;
  /** Reads the dirty log; returns the pages that were dirtied since the last time. */
  sync(): number;
  pendingBytes(): number;
  /** Takes pages to send: at most `pagesMax`, within `wireBytes`. */
  take(wireBytes: number, pagesMax: number): RamSlice;
};

export type RamSlice = {
  readonly normalPages: number;
  readonly zeroPages: number;
  /** Their size in the stream. */
  readonly wireBytes: number;
};

export type RamOptions = {
  readonly memoryBytes: number;
  readonly usedBytes: number | undefined;
  readonly workingSetBytes: number | undefined;
  readonly dirtyBytesPerSecond: number;
};

/**
 * Writes hit the working set at random, so the dirty pages approach its size and do not exceed it.
 */
export function createRam(guest: Guest, options: RamOptions): Ram {
  const { memoryBytes, dirtyBytesPerSecond } = options;
  const usedBytes = Math.min(
    options.usedBytes ?? Math.min(memoryBytes / 16, 256 << 20),
    memoryBytes,
  );
  const totalPages = Math.ceil((memoryBytes + ROM_BYTES) / PAGE_BYTES);
  const setPages = Math.floor(
    Math.min(options.workingSetBytes ?? usedBytes / 4, usedBytes) / PAGE_BYTES,
  );
  const usedPages = Math.floor(usedBytes / PAGE_BYTES);
  let zeroPages = 0;
  let restPages = 0;
  // A fraction: thousands of reads of the log per second must not lose what they find.
  let dirtyPages = 0;
  let syncedMs = 0;

  return {
    totalBytes: totalPages * PAGE_BYTES,
    begin() {
      zeroPages = totalPages - usedPages;
      restPages = usedPages - setPages;
      dirtyPages = setPages;
      syncedMs = guest.workMs();
    },
    sync() {
      const nowMs = guest.workMs();
      const writtenPages = (dirtyBytesPerSecond * (nowMs - syncedMs)) / 1000 / PAGE_BYTES;
      syncedMs = nowMs;
      if (setPages === 0) return 0;
      const touchedPages = setPages * (1 - Math.exp(-writtenPages / setPages));
      dirtyPages += (setPages - dirtyPages) * (touchedPages / setPages);
      return touchedPages;
    },
    pendingBytes: () => (zeroPages + restPages + Math.floor(dirtyPages)) * PAGE_BYTES,
    take(wireBytes, pagesMax) {
      const normalLeft = restPages + Math.floor(dirtyPages);
      const left = normalLeft + zeroPages;
      if (left === 0) return { normalPages: 0, zeroPages: 0, wireBytes: 0 };
      // Zero and other pages are mixed: a slice takes its share of both.
      const bytesPerPage = HEADER_BYTES + (PAGE_BYTES * normalLeft) / left;
      const pages = Math.min(left, pagesMax, Math.max(1, Math.floor(wireBytes / bytesPerPage)));
      const normalPages = Math.min(normalLeft, Math.round((pages * normalLeft) / left));
      const zeros = Math.min(zeroPages, pages - normalPages);
      const fromRest = Math.min(
        restPages,
        Math.ceil((normalPages * restPages) / Math.max(1, normalLeft)),
      );
      restPages -= fromRest;
      dirtyPages -= normalPages - fromRest;
      zeroPages -= zeros;
      return {
        normalPages,
        zeroPages: zeros,
        wireBytes: normalPages * (PAGE_BYTES + HEADER_BYTES) + zeros * HEADER_BYTES,
      };
    },
  };
}
