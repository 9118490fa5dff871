import type { QmpClient } from "../../../qmp/client.ts";
import { refuseWithJobs } from "../../guest/block-jobs.ts";
import type { Guest } from "../../guest/guest.ts";
import type { Log } from "../../runtime/log.ts";
import {
  addHoldNode,
  HOLD_BITMAP,
  HOLD_NODE,
  HOLD_NODE_BYTES,
  removeHoldNode,
  untilFreed,
} from "../hold-node.ts";
import type { FloodControl } from "./flood-control.ts";
import type { LinkBandwidth } from "./link-bandwidth.ts";

/** Downtime limit until what has become dirty during the hold has been sent. */
const CATCH_UP_LIMIT_MS = 1;
/** One pass finds the dirty pages, one sends them: an ungated migration has done the same by now. */
const CATCH_UP_PASSES = 2;
/** Passes may be missed. QEMU's own check of the limit applies in any case. */
const CATCH_UP_MS_MAX = 5_000;

export type GateOptions = {
  guest: Guest;
  log: Log;
  /** The downtime limit of the migration, ms. */
  limitMs: number;
  link: LinkBandwidth;
  flood: FloodControl;
};

/**
 * Holds switchover while the guest runs, on the source alone: a dirty bitmap on a node of no content
 * is pending data that QEMU sends only at switchover, so with a downtime limit of 0 there is always
 * more pending than allowed. Works from QEMU 7.2 to 11.1 for idle and busy guests; a downtime limit
 * of 0 alone does not (docs/internals/qemu-facts.md, "Dirty-bitmap hold"). The target needs neither
 * node nor capability: it drops the bitmap. With `dirty-bitmaps` it needs the node: see hold-node.ts.
 *
 * A mapping leaves out what it does not name, so it names the guest's own bitmaps too when those are
 * to be migrated.
 */
export class Gate {
  /** Its QMP session is read at each use: after a reconnect it is another one. */
  readonly #guest: Guest;
  readonly #log: Log;
  readonly #limitMs: number;
  readonly #link: LinkBandwidth;
  readonly #flood: FloodControl;
  #state: "unset" | "holding" | "open" = "unset";
  #stopCatchingUp: () => void = () => undefined;
  /** Another migration may have a gate of its own from then on. */
  readonly #closing = new AbortController();

  constructor({ guest, log, limitMs, link, flood }: GateOptions) {
    this.#guest = guest;
    this.#log = log;
    this.#limitMs = limitMs;
    this.#link = link;
    this.#flood = flood;
  }

  get isHolding(): boolean {
    return this.#state === "holding";
  }

  /**
   * Before `migrate`, after the settings.
   *
   * @throws QmpError: then nothing is left behind.
   */
  async hold(withBitmaps = false): Promise<void> {
    const ofGuest = withBitmaps ? await mapBitmaps(this.#guest.qmp) : [];
    // Left by a migration whose agent died before it could clean up, or that ended a moment ago.
    await untilFreed(() => removeHoldNode(this.#guest.qmp), this.#closing.signal);
    await addHoldNode(this.#guest.qmp);
    try {
      await this.#guest.qmp.execute("block-dirty-bitmap-add", {
        node: HOLD_NODE,
        name: HOLD_BITMAP,
        granularity: HOLD_NODE_BYTES,
      });
      await this.#guest.qmp.execute("migrate-set-capabilities", {
        capabilities: [{ capability: "dirty-bitmaps", state: true }],
      });
      await this.#guest.qmp.execute("migrate-set-parameters", {
        "downtime-limit": 0,
        "block-bitmap-mapping": [
          {
            "node-name": HOLD_NODE,
            alias: HOLD_NODE,
            bitmaps: [{ name: HOLD_BITMAP, alias: HOLD_BITMAP }],
          },
          ...ofGuest,
        ],
      });
    } catch (error) {
      await this.cleanUp();
      throw error;
    }
    this.#state = "holding";
  }

  /** After a restart of the agent: QEMU has held on without it. */
  reattach(): void {
    this.#state = this.#guest.manifest.migration?.gate?.isLifted ? "open" : "holding";
  }

  /**
   * It holds with nothing left to send. Up to 10.2 the migration thread then makes no passes, it
   * sends hundreds of thousands of empty sections a second: a core is busy with that, and the target
   * has some 0.6 s of them to read before it comes to what the switchover sends.
   */
  calm(bestBytesPerSecond?: number): void {
    // The link's own rate comes before what was measured.
    void this.#link.apply().then(() => this.#flood.onNothingLeft(bestBytesPerSecond));
  }

  /** The target has read what QEMU sent while it spun: a permit now costs no downtime. */
  get isSettled(): boolean {
    return this.#flood.isSettled;
  }

  /**
   * Permits the switchover; QEMU checks every 100 ms. What has become dirty during the hold is sent
   * before the guest stops, so that the downtime is that of a migration without a gate. True when it
   * was holding.
   *
   * @throws QmpError, or CommandRefusedError when a block job runs: then it is still holding.
   */
  async open(): Promise<boolean> {
    if (this.#state !== "holding") return false;
    await refuseWithJobs(this.#guest.qmp);
    // A restarted agent opens it once more.
    this.#note({ permitAtMs: Date.now() });
    this.#state = "open";
    // Full speed first: what became dirty has to go.
    this.#flood.stopCalming();
    // QEMU has measured next to nothing while it was held.
    await this.#link.apply();
    try {
      await this.#limit(Math.min(CATCH_UP_LIMIT_MS, this.#limitMs));
    } catch (error) {
      this.#state = "holding";
      throw error;
    }
    this.#catchUp();
    return true;
  }

  /** After the end of the migration, whichever it was. Idempotent; QEMU may have exited. */
  async cleanUp(): Promise<void> {
    this.#state = "open";
    this.#stopCatchingUp();
    try {
      await untilFreed(() => this.#remove(), this.#closing.signal);
    } catch (error) {
      this.#log.debug({ error }, "the hold's bitmap is left to QEMU's end");
    }
  }

  async #remove(): Promise<void> {
    await removeHoldNode(this.#guest.qmp);
    await this.#guest.qmp.execute("migrate-set-capabilities", {
      capabilities: [{ capability: "dirty-bitmaps", state: false }],
    });
    await this.#guest.qmp.execute("migrate-set-parameters", {
      "downtime-limit": this.#limitMs,
      "block-bitmap-mapping": [],
    });
  }

  /** Changes nothing in QEMU any more: the agent ends, or another migration of the guest begins. */
  close(): void {
    this.#closing.abort();
    this.#stopCatchingUp();
  }

  /** The agreed limit applies again after one pass over what was dirty. */
  #catchUp(): void {
    let passes = 0;
    const raise = () => {
      this.#stopCatchingUp();
      const onRefused = (error: unknown) =>
        this.#log.debug({ error }, "the limit is left as it is");
      this.#limit(this.#limitMs).then(() => this.#note({ isLifted: true }), onRefused);
    };
    const timer = setTimeout(raise, CATCH_UP_MS_MAX);
    const unsubscribe = this.#guest.monitor.on("MIGRATION_PASS", ({ count }) => {
      passes += count;
      if (passes >= CATCH_UP_PASSES) raise();
    });
    this.#stopCatchingUp = () => {
      clearTimeout(timer);
      unsubscribe();
    };
  }

  async #limit(limitMs: number): Promise<void> {
    await this.#guest.qmp.execute("migrate-set-parameters", { "downtime-limit": limitMs });
  }

  #note(gate: { permitAtMs: number } | { isLifted: true }): void {
    const { migration } = this.#guest.manifest;
    if (migration !== undefined) this.#guest.note({ migration: { ...migration, gate } });
  }
}

/**
 * The guest's own bitmaps under the names that QEMU gives them without a mapping: the device's, or
 * the node's where the disk has no device name (QEMU migration/block-dirty-bitmap.c).
 */
async function mapBitmaps(qmp: QmpClient) {
  const [nodes, devices] = await Promise.all([
    qmp.execute("query-named-block-nodes", { flat: true }),
    qmp.execute("query-block"),
  ]);
  const deviceOf = new Map(
    devices.map(({ device, inserted }) => [inserted?.["node-name"], device]),
  );
  return nodes.flatMap((node) => {
    const name = node["node-name"];
    const bitmaps = (node["dirty-bitmaps"] ?? []).flatMap((bitmap) => bitmap.name ?? []);
    if (name === undefined || name === HOLD_NODE || bitmaps.length === 0) return [];
    return [
      {
        "node-name": name,
        alias: deviceOf.get(name) || name,
        bitmaps: bitmaps.map((bitmap) => ({ name: bitmap, alias: bitmap })),
      },
    ];
  });
}
