import type { Reading } from "../../core/open-metrics.ts";
import type { FoundGuests } from "../../core/protocol/found-guest.ts";
import { findGuests } from "../discovery/find-guests.ts";
import type { Guests } from "../guest/guests.ts";
import type { Log } from "../runtime/log.ts";
import type { MetricsConfig } from "../runtime/metrics-config.ts";
import { agentReadings, type Seen } from "./readings.ts";
import type { Tally } from "./tally.ts";
import { MetricsFile } from "./text-file.ts";

/** Looking for QEMUs reads a file of each process: not more often, and not while a guest migrates. */
const FIND_EVERY_MS = 60_000;

/** The agent's metrics, and the file that they are written into if the configuration names one. */
export class AgentMetrics {
  readonly #guests: Guests;
  readonly #outbox: Seen["outbox"];
  readonly #tally: Tally;
  readonly #log: Log;
  readonly #file: MetricsFile | undefined;
  readonly #startedAtMs = Date.now();
  #found: FoundGuests | undefined;
  #foundAtMs = Number.NEGATIVE_INFINITY;
  #qemu: string | undefined;
  #isConnected = false;

  constructor(options: {
    config: MetricsConfig | undefined;
    guests: Guests;
    outbox: Seen["outbox"];
    tally: Tally;
    log: Log;
  }) {
    const { config, log } = options;
    this.#guests = options.guests;
    this.#outbox = options.outbox;
    this.#tally = options.tally;
    this.#log = log;
    const read = () => this.readings;
    this.#file = config === undefined ? undefined : new MetricsFile({ config, read, log });
  }

  get readings(): Reading[] {
    this.#find();
    const seen = {
      guests: this.#guests,
      outbox: this.#outbox,
      qemu: this.#qemu,
      isConnected: this.#isConnected,
      startedAtMs: this.#startedAtMs,
      found: this.#found,
    };
    return [...agentReadings(seen), ...this.#tally.readings];
  }

  /** Before the control plane is asked: that it does not answer is to be seen. */
  start(): void {
    this.#file?.start();
  }

  /** The control plane has registered this process. */
  connected(): void {
    this.#isConnected = true;
    this.#file?.write();
  }

  /** @param version of the binary that guests are started with */
  probed(version: string): void {
    this.#qemu = version;
  }

  stop(): void {
    this.#file?.stop();
  }

  #find(): void {
    const nowMs = performance.now();
    if (this.#guests.isMigrating || nowMs - this.#foundAtMs < FIND_EVERY_MS) return;
    this.#foundAtMs = nowMs;
    try {
      this.#found = findGuests(this.#guests.own);
    } catch (error) {
      this.#log.warn({ error }, "the QEMUs of this host could not be counted");
    }
  }
}
