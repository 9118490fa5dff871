import { StallRule } from "../../../core/convergence/stall.ts";
import type { BlockJob } from "../../../qmp/device.ts";
import type { AwakeClock } from "../../runtime/awake-clock.ts";

const SILENCE_MS = StallRule.parse({}).silenceMs;
/** A job with a limit copies a piece at a time, and rests (QEMU block/mirror.c, MAX_IO_BYTES). */
const PIECE_BYTES = 4 << 20;

/** Since when it has had something to do at this place. */
type Seen = { readonly offset: number; readonly atMs: number };
type Figures = Pick<BlockJob, "device" | "len" | "offset">;

/** Finds a copy that has something to do and does nothing. */
export class CopyStall {
  readonly #clock: Pick<AwakeClock, "nowMs">;
  readonly #silenceMs: number;
  readonly #seen = new Map<string, Seen>();

  constructor(clock: Pick<AwakeClock, "nowMs">, silenceMs = SILENCE_MS) {
    this.#clock = clock;
    this.#silenceMs = silenceMs;
  }

  /**
   * @param bytesPerSecond the limit of each job; 0: none
   */
  observe<Job extends Figures>(
    jobs: readonly Job[],
    bytesPerSecond: number,
  ): { job: Job; silentMs: number } | undefined {
    const nowMs = this.#clock.nowMs;
    const restMs = bytesPerSecond > 0 ? (PIECE_BYTES / bytesPerSecond) * 1_000 : 0;
    const limitMs = this.#silenceMs + restMs;
    for (const job of jobs) {
      const offset = Number(job.offset);
      const before = this.#seen.get(job.device);
      const isBusy = Number(job.len) > offset;
      if (!isBusy) {
        this.#seen.delete(job.device);
      } else if (before?.offset !== offset) {
        this.#seen.set(job.device, { offset, atMs: nowMs });
      } else if (nowMs - before.atMs >= limitMs) {
        return { job, silentMs: nowMs - before.atMs };
      }
    }
    return undefined;
  }
}
