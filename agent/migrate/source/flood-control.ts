import { setTimeout as sleep } from "node:timers/promises";
import type { ArgsOf } from "../../../core/protocol/command.ts";
import type { ParameterValue } from "../../../core/protocol/probe.ts";
import { memoryRate } from "../../../core/storage-copy/shared-rate.ts";
import type { QmpInteger } from "../../../qmp/integer.ts";
import type { Guest } from "../../guest/guest.ts";
import type { Log } from "../../runtime/log.ts";
import { applyParameters } from "../settings.ts";

/** Passes in one delivery (100 ms): with nothing left to send QEMU makes a hundred and more. */
const SPINNING_PASSES = 20;
/**
 * Bytes per second while spinning: some thousand passes a second remain of 10,000 and more
 * (docs/internals/qemu-facts.md, "Event order").
 */
const CALM_BYTES_PER_SECOND = 20_000;
/** When neither the policy nor a measurement knows better: 1 Gbit/s. */
const LINK_BYTES_PER_SECOND = 125_000_000;

/** What was sent while QEMU spun fills the sockets' buffers; a target reads it within this. */
const SETTLING_MS = 1_000;

/** Device state that has not grown for so long has been sent as far as it can be. */
const SETTLED_MS = 200;

/** The parameters that are changed here. */
export const FLOOD_PARAMETERS = ["max-bandwidth", "avail-switchover-bandwidth"];

type Limits = { "max-bandwidth": QmpInteger; "avail-switchover-bandwidth"?: QmpInteger };

/**
 * While switchover is held with nothing left to send, QEMU's migration thread spins: over 10,000
 * dirty syncs and events a second, which slow the guest, and lengthen the downtime of a switchover
 * that comes in the middle of them. A low max-bandwidth calms it; it does not limit the switchover
 * itself. avail-switchover-bandwidth must be set then, since QEMU would measure next to nothing.
 *
 * QEMU also spins while devices send what they must send before the switchover, as long as that fits
 * the downtime limit. It is not calmed then: a low limit would delay what the switchover waits for.
 */
export class FloodControl {
  readonly #guest: Guest;
  readonly #log: Log;
  #calming = false;
  #calmSinceMs = 0;
  #over = false;
  #sharing: "none" | "shared" | "over" = "none";

  constructor(guest: Guest, log: Log) {
    this.#guest = guest;
    this.#log = log;
  }

  /**
   * @param count passes in one delivery of MIGRATION_PASS
   * @param measuredBytesPerSecond the best rate measured so far
   */
  onPasses(count: number, measuredBytesPerSecond: number | undefined): void {
    if (count >= SPINNING_PASSES) this.onNothingLeft(measuredBytesPerSecond);
  }

  /** Switchover is held with nothing left to send, with or without passes. */
  onNothingLeft(measuredBytesPerSecond: number | undefined): void {
    if (this.#calming || this.#over) return;
    this.#calming = true;
    this.#calmSinceMs = Number.POSITIVE_INFINITY;
    this.#calm(measuredBytesPerSecond).catch((error: unknown) => {
      this.#log.warn({ error }, "the flood of passes cannot be calmed");
    });
  }

  /** The target has read what was sent while QEMU spun, or QEMU has not spun. */
  get isSettled(): boolean {
    return !this.#calming || performance.now() - this.#calmSinceMs >= SETTLING_MS;
  }

  /** The hold is over: full speed again for what has become dirty meanwhile. */
  stopCalming(): void {
    this.#over = true;
    if (this.#calming) this.restore();
  }

  /**
   * Sets another bandwidth limit. It is written down, since it is the one to restore later; QEMU gets
   * it at once, unless it is calmed: then at the end of the hold. An older revision changes nothing.
   *
   * @returns the limit that applies now
   * @throws QmpError
   */
  async limit({ maxBandwidthBytesPerSecond: asked, revision }: ArgsOf<"source.set">) {
    const memory = this.#guest.manifest.migration;
    if (!memory) throw new Error("Expected a migration under way");
    const { agreed, bandwidthRevision = 0 } = memory;
    if (revision <= bandwidthRevision) return Number(agreed?.["max-bandwidth"] ?? 0);
    const next = { ...agreed, "max-bandwidth": asked };
    this.#guest.note({ migration: { ...memory, agreed: next, bandwidthRevision: revision } });
    const isCalm = this.#calming && !this.#over;
    if (!isCalm) await this.#apply(asked);
    return asked;
  }

  /** Disks are copied beside the memory, and get a part of the limit. */
  share(): void {
    if (this.#sharing === "none") this.#setSharing("shared");
  }

  /** The switchover may come: memory gets the whole limit from now on. */
  endSharing(): void {
    if (this.#sharing === "shared") this.#setSharing("over");
  }

  #setSharing(sharing: "shared" | "over"): void {
    this.#sharing = sharing;
    if (!this.#calming || this.#over) this.restore();
  }

  /** The migration is over. */
  stop(): void {
    this.#over = true;
  }

  /** Full speed as the manifest has it: the agent may have been restarted meanwhile. */
  restore(): void {
    this.#restore().catch((error: unknown) => {
      this.#log.error({ error }, "the bandwidth cannot be restored");
    });
  }

  async #restore(): Promise<void> {
    const limit = this.#guest.manifest.migration?.agreed?.["max-bandwidth"];
    // avail-switchover-bandwidth stays: it is still true, and QEMU has measured next to nothing.
    if (limit !== undefined) await this.#apply(limit);
  }

  async #apply(limit: ParameterValue): Promise<void> {
    const own = this.#sharing === "shared" ? memoryRate(Number(limit)) : limit;
    await applyParameters(this.#guest.qmp, { "max-bandwidth": own });
  }

  async #isSendingDevices(): Promise<boolean> {
    const before = await this.#deviceBytes();
    if (before === undefined) return false;
    await sleep(SETTLED_MS);
    return (await this.#deviceBytes()) !== before;
  }

  async #deviceBytes() {
    return (await this.#guest.qmp.execute("query-migrate")).vfio?.transferred;
  }

  async #calm(measuredBytesPerSecond: number | undefined): Promise<void> {
    const { qmp } = this.#guest;
    if (await this.#isSendingDevices()) {
      // The next delivery of passes tries again.
      this.#calming = false;
      return;
    }
    const now = await qmp.execute("query-migrate-parameters");
    if (this.#over) return;
    const switchover = now["avail-switchover-bandwidth"];
    const limits: Limits = { "max-bandwidth": CALM_BYTES_PER_SECOND };
    // 7.2 has no such parameter, and no ACK that could hold it.
    if (switchover !== undefined && Number(switchover) === 0) {
      limits["avail-switchover-bandwidth"] = measuredBytesPerSecond ?? LINK_BYTES_PER_SECOND;
    }
    await qmp.execute("migrate-set-parameters", limits);
    this.#calmSinceMs = performance.now();
    this.#log.info({ limits }, "switchover is held with nothing left to send: calmed");
  }
}
