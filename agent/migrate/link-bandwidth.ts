import type { Guest } from "../guest/guest.ts";
import type { Log } from "../runtime/log.ts";

/**
 * Tells QEMU what the link gives (avail-switchover-bandwidth), once, after the first pass over RAM.
 * From then on QEMU's own measurement counts pauses as slowness, and a device whose state only moves
 * while the guest is stopped would never fit. Not earlier: in the first pass a fast link makes
 * nearly all of a small guest "fit", and it would move while the guest stands still.
 */
export class LinkBandwidth {
  readonly #guest: Guest;
  readonly #log: Log;
  readonly #bytesPerSecond: number | undefined;
  #applied: Promise<void> | undefined;

  /** Undefined: not known, or the policy has said another figure. */
  constructor(guest: Guest, log: Log, bytesPerSecond: number | undefined) {
    this.#guest = guest;
    this.#log = log;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** The first pass is over. Never throws: without the figure QEMU measures. */
  apply(): Promise<void> {
    this.#applied ??= this.#apply().catch((error: unknown) => {
      this.#log.warn({ error }, "QEMU was not told what the link gives");
    });
    return this.#applied;
  }

  async #apply(): Promise<void> {
    if (this.#bytesPerSecond === undefined) return;
    const { qmp } = this.#guest;
    const { "avail-switchover-bandwidth": now } = await qmp.execute("query-migrate-parameters");
    // 7.2 does not have it; another figure was chosen by somebody.
    if (now === undefined || Number(now) !== 0) return;
    await qmp.execute("migrate-set-parameters", {
      "avail-switchover-bandwidth": this.#bytesPerSecond,
    });
  }
}
