import type { Guest } from "../../guest/guest.ts";
import type { Log } from "../../runtime/log.ts";

/**
 * Sets the link's rate in QEMU (avail-switchover-bandwidth), once, after the first pass over RAM. From
 * then on QEMU's own measurement counts pauses as slowness, and a device whose state is only sent
 * while the guest is stopped would never fit. Not earlier: in the first pass nearly all of a small
 * guest fits a fast link's limit, and it would be sent while the guest is stopped.
 */
export class LinkBandwidth {
  readonly #guest: Guest;
  readonly #log: Log;
  readonly #bytesPerSecond: number | undefined;
  #applied: Promise<void> | undefined;

  /** Undefined: not known, or the policy sets another figure. */
  constructor(guest: Guest, log: Log, bytesPerSecond: number | undefined) {
    this.#guest = guest;
    this.#log = log;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** The first pass is over. Never throws: without the figure QEMU measures. */
  apply(): Promise<void> {
    this.#applied ??= this.#apply().catch((error: unknown) => {
      this.#log.warn({ error }, "the link's rate cannot be set in QEMU");
    });
    return this.#applied;
  }

  async #apply(): Promise<void> {
    if (this.#bytesPerSecond === undefined) return;
    const { qmp } = this.#guest;
    const { "avail-switchover-bandwidth": now } = await qmp.execute("query-migrate-parameters");
    // 7.2 does not have the parameter; a figure other than 0 was chosen by somebody.
    if (now === undefined || Number(now) !== 0) return;
    await qmp.execute("migrate-set-parameters", {
      "avail-switchover-bandwidth": this.#bytesPerSecond,
    });
  }
}
