import type { Qemu } from "../qemu.ts";
import { PAGE_BYTES } from "../ram.ts";
import type { Task } from "../task.ts";
import type { Attempt } from "./outgoing-state.ts";
import { transmit } from "./sending.ts";

/** Longest time to send one slice of RAM: the sender reacts to other things in between. */
export const SLICE_MS = 10;

/** Sends RAM of at most `sliceBytes` in the stream; false when there was none. */
export function* sendRam(qemu: Qemu, attempt: Attempt, sliceBytes: number): Task<boolean> {
  const { statistics } = attempt;
  const scanPages = (qemu.knobs.scanBytesPerSecond * SLICE_MS) / 1000 / PAGE_BYTES;
  const slice = qemu.ram.take(sliceBytes, Math.max(1, Math.floor(scanPages)));
  const pages = slice.normalPages + slice.zeroPages;
  if (pages === 0 || !attempt.main) return false;
  statistics.normalPages += slice.normalPages;
  statistics.zeroPages += slice.zeroPages;
  if (attempt.stoppedMs !== undefined) statistics.downtimeBytes += slice.wireBytes;
  else statistics.precopyBytes += slice.wireBytes;
  const costMs = ((pages * PAGE_BYTES) / qemu.knobs.scanBytesPerSecond) * 1000;
  const outlet = nextOutlet(attempt);
  if (outlet !== attempt.main) statistics.multifdBytes += slice.wireBytes;
  yield* transmit(
    qemu,
    attempt,
    outlet ?? attempt.main,
    { type: "ram", bytes: slice.wireBytes },
    costMs,
  );
  return true;
}

/** multifd channels take turns; the one with the least unsent data is next. */
function nextOutlet(attempt: Attempt): Attempt["main"] {
  if (attempt.multifd.length === 0) return attempt.main;
  return attempt.multifd.reduce((best, outlet) =>
    outlet.inFlightBytes() < best.inFlightBytes() ? outlet : best,
  );
}
