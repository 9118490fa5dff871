import type { Climb, ClimbedRung, Rung } from "../../../core/convergence/ladder.ts";
import { nextStall, restartStall, type StallState } from "../../../core/convergence/stall.ts";
import type { Progress } from "../../../core/protocol/event.ts";
import { QmpCommandError } from "../../../qmp/error.ts";
import type { Guest } from "../../guest/guest.ts";

/** The parameters that are changed here, to be restored after the end. */
export const LADDER_PARAMETERS = [
  "downtime-limit",
  "cpu-throttle-initial",
  "cpu-throttle-increment",
  "max-cpu-throttle",
];

const NO_RUNG = "the migration does not converge, and its ladder has no rung left";

type Memory = { climb: Climb; climbed: number };

/**
 * What the source does by itself about a migration that does not converge: it climbs one rung each
 * time that the migration stalls, and gives each a window to show its effect. The last rung gives up.
 */
export class Ladder {
  readonly #guest: Guest;
  readonly #climb: Climb;
  readonly #onRung: (rung: ClimbedRung) => void;
  #climbed: number;
  #stall: StallState | undefined;
  #gaveUp: string | undefined;

  private constructor(
    guest: Guest,
    { climb, climbed }: Memory,
    onRung: (rung: ClimbedRung) => void,
  ) {
    this.#guest = guest;
    this.#climb = climb;
    this.#climbed = climbed;
    this.#onRung = onRung;
    if (climb.rungs[climbed - 1]?.action === "abort") this.#gaveUp = NO_RUNG;
  }

  /**
   * The ladder in the guest's manifest, if there is one, with the rungs climbed so far.
   *
   * @param onRung called when a rung has been climbed and written down
   */
  static of(guest: Guest, onRung: (rung: ClimbedRung) => void): Ladder | undefined {
    const { ladder } = guest.manifest.migration ?? {};
    return ladder === undefined ? undefined : new Ladder(guest, ladder, onRung);
  }

  /** Why the ladder gave up; undefined: it has not. */
  get gaveUp(): string | undefined {
    return this.#gaveUp;
  }

  /**
   * Judges new figures and climbs one rung when they show a stall. To be called only while QEMU is in
   * precopy and nothing but dirty memory keeps it from switching over. True when no rung is left: the
   * migration is to be cancelled.
   *
   * @param limitMs the downtime limit; what fits it is no stall
   * @throws QmpError: the rung is tried again with the next figures.
   */
  async observe(progress: Progress, limitMs: number, nowMs = Date.now()): Promise<boolean> {
    const sample = {
      atMs: nowMs,
      passes: progress.dirtySyncCount ?? 0,
      remainingBytes: progress.remainingBytes ?? progress.ramRemainingBytes ?? 0,
      bandwidthBytesPerSecond: progress.bandwidthBytesPerSecond ?? 0,
    };
    const fits = sample.remainingBytes <= (sample.bandwidthBytesPerSecond * limitMs) / 1000;
    if (fits) return this.#gaveUp !== undefined;
    this.#stall = nextStall(this.#stall, sample, this.#climb.stall);
    const rung = this.#climb.rungs[this.#climbed];
    if (this.#stall?.stalled && rung !== undefined) {
      const reason = this.#explain(this.#stall, nowMs);
      await this.#take(rung, reason);
      this.#stall = restartStall(this.#stall, nowMs);
    }
    return this.#gaveUp !== undefined;
  }

  async #take(rung: Rung, reason: string): Promise<void> {
    if (rung.action === "downtime-limit") await this.#raise(rung.downtimeLimitMs);
    if (rung.action === "throttle") {
      await this.#guest.qmp.execute("migrate-set-parameters", {
        "cpu-throttle-initial": rung.initialPercent,
        "cpu-throttle-increment": rung.incrementPercent,
        "max-cpu-throttle": rung.maxPercent,
      });
    }
    if (rung.action === "postcopy") await this.#beginPostcopy();
    if (rung.action === "abort") this.#gaveUp = `${NO_RUNG}: ${reason}`;
    this.#climbed += 1;
    const limit = rung.action === "downtime-limit" ? { downtimeLimitMs: rung.downtimeLimitMs } : {};
    this.#note(limit);
    this.#onRung({ rung: this.#climbed, action: rung.action, ...limit, reason });
  }

  #note(limit: { downtimeLimitMs?: number }): void {
    const { migration } = this.#guest.manifest;
    if (!migration) return;
    const ladder = { climb: this.#climb, climbed: this.#climbed };
    this.#guest.note({ migration: { ...migration, ...limit, ladder } });
  }

  /** Written down first: from here on nothing may be cancelled, not by a restarted agent either. */
  async #beginPostcopy(): Promise<void> {
    const { migration } = this.#guest.manifest;
    if (!migration) return;
    const postcopy = { active: false, pauses: 0, paused: false };
    this.#guest.note({ migration: { ...migration, postcopy } });
    try {
      await this.#guest.qmp.execute("migrate-start-postcopy");
    } catch (error) {
      // QEMU has refused: it continues as before. Without an answer the outcome is unknown.
      if (error instanceof QmpCommandError) this.#guest.note({ migration });
      throw error;
    }
  }

  /** Never lowers a limit that somebody else has set. */
  async #raise(limitMs: number): Promise<void> {
    const { "downtime-limit": now } = await this.#guest.qmp.execute("query-migrate-parameters");
    if (now !== undefined && now >= limitMs) return;
    await this.#guest.qmp.execute("migrate-set-parameters", { "downtime-limit": limitMs });
  }

  #explain({ impliedMs, progressAtMs }: StallState, nowMs: number): string {
    const seconds = Math.round((nowMs - progressAtMs) / 1000);
    const { marginPercent } = this.#climb.stall;
    const costMs = Math.round(impliedMs);
    return `what is left has not become ${marginPercent} % less for ${seconds} s: stopping now would cost ${costMs} ms`;
  }
}
