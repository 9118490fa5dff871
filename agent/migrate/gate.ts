import type { Guest } from "../guest/guest.ts";
import type { Log } from "../log.ts";
import { QmpCommandError } from "../qmp/error.ts";
import type { LinkBandwidth } from "./link-bandwidth.ts";

const NODE = "switchyard-gate";
const BITMAP = "hold";
/** The least a bitmap and its node can be; one dirty bit is enough. */
const NODE_BYTES = 65_536;
/** 7.2 has no avail-switchover-bandwidth and measures next to nothing while it holds. */
const NO_LIMIT_MS = 2_000_000;

/**
 * Holds switchover while the guest runs, on the source alone: a dirty bitmap on a node of no content
 * is pending data that QEMU sends only at switchover, so with a downtime limit of 0 there is always
 * more pending than allowed. Works from QEMU 7.2 to 11.1 for idle and busy guests; a downtime limit
 * of 0 alone does not. The target needs neither node nor capability: it drops the bitmap.
 *
 * Only the hold's own bitmap travels: other bitmaps of the guest are left out by a mapping.
 */
export class Gate {
  /** Its session is asked for each time: it may be another one after a reconnect. */
  readonly #guest: Guest;
  readonly #log: Log;
  readonly #limitMs: number;
  readonly #link: LinkBandwidth;
  #state: "open" | "holding" | "released" = "open";

  /** `limitMs`: the downtime limit that holds from the release on. */
  constructor(guest: Guest, log: Log, limitMs: number, link: LinkBandwidth) {
    this.#link = link;
    this.#guest = guest;
    this.#log = log;
    this.#limitMs = limitMs;
  }

  get isHolding(): boolean {
    return this.#state === "holding";
  }

  /** Before `migrate`, after the settings. @throws QmpError: then nothing is left behind. */
  async hold(): Promise<void> {
    // Left by a migration whose agent died before it could clean up.
    await this.#removeNode();
    const node = { driver: "null-co", "node-name": NODE, size: NODE_BYTES };
    await this.#guest.qmp.execute("blockdev-add", node);
    try {
      await this.#guest.qmp.execute("block-dirty-bitmap-add", {
        node: NODE,
        name: BITMAP,
        granularity: NODE_BYTES,
      });
      await this.#guest.qmp.execute("migrate-set-capabilities", {
        capabilities: [{ capability: "dirty-bitmaps", state: true }],
      });
      await this.#guest.qmp.execute("migrate-set-parameters", {
        "downtime-limit": 0,
        "block-bitmap-mapping": [
          { "node-name": NODE, alias: NODE, bitmaps: [{ name: BITMAP, alias: BITMAP }] },
        ],
      });
    } catch (error) {
      await this.cleanUp();
      throw error;
    }
    this.#state = "holding";
  }

  /** After a restart of the agent: the hold is QEMU's, it went on. */
  takeUp(): void {
    this.#state = "holding";
  }

  /** Leave to switch over; QEMU looks every 100 ms. True when it was holding. */
  async release(): Promise<boolean> {
    if (this.#state !== "holding") return false;
    this.#state = "released";
    // While it holds QEMU measures next to nothing.
    await this.#link.apply();
    const { "avail-switchover-bandwidth": bandwidth } = await this.#guest.qmp.execute(
      "query-migrate-parameters",
    );
    const limitMs = bandwidth === undefined ? NO_LIMIT_MS : this.#limitMs;
    await this.#guest.qmp.execute("migrate-set-parameters", { "downtime-limit": limitMs });
    return true;
  }

  /** After the end of the migration, whichever it was. Idempotent; QEMU may be gone. */
  async cleanUp(): Promise<void> {
    this.#state = "released";
    try {
      await this.#removeNode();
      await this.#guest.qmp.execute("migrate-set-capabilities", {
        capabilities: [{ capability: "dirty-bitmaps", state: false }],
      });
      await this.#guest.qmp.execute("migrate-set-parameters", {
        "downtime-limit": this.#limitMs,
        "block-bitmap-mapping": [],
      });
    } catch (error) {
      this.#log.debug({ error }, "the hold's bitmap is left to QEMU's end");
    }
  }

  async #removeNode(): Promise<void> {
    try {
      await this.#guest.qmp.execute("block-dirty-bitmap-remove", { node: NODE, name: BITMAP });
      await this.#guest.qmp.execute("blockdev-del", { "node-name": NODE });
    } catch (error) {
      if (!(error instanceof QmpCommandError)) throw error; // There is none.
    }
  }
}
