import { AwakeClock } from "../../runtime/awake-clock.ts";
import type { HandoverClient } from "../link/handover-client.ts";

const CHECK_MS = 1_000;
/**
 * A target's host that is silent for so long in the switchover is taken for dead. Giving up is safe:
 * the target may run the guest only after this side has reported `completed` over the same link.
 */
export const HOST_SILENT_MS = 10_000;

/**
 * Watches the target's host while the guest is stopped for the switchover. A host that has lost its
 * power sends no reset, and QEMU would wait for it as long as the kernel retransmits: 15 minutes
 * (Linux, tcp(7), tcp_retries2).
 */
export class SwitchoverWatch {
  readonly #link: Pick<HandoverClient, "silentMs">;
  readonly #onSilent: (reason: string) => void;
  #timer: NodeJS.Timeout | undefined;
  readonly #clock = new AwakeClock(CHECK_MS);
  #stoppedAtMs = 0;
  #hasEnded = false;

  /** `onSilent` is called at most once. */
  constructor(link: Pick<HandoverClient, "silentMs">, onSilent: (reason: string) => void) {
    this.#link = link;
    this.#onSilent = onSilent;
  }

  /** The guest has been stopped for the switchover. Repeated, it changes nothing. */
  start(): void {
    if (this.#hasEnded || this.#timer !== undefined) return;
    this.#clock.tick();
    this.#stoppedAtMs = this.#clock.nowMs;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
  }

  close(): void {
    this.#hasEnded = true;
    clearInterval(this.#timer);
  }

  #check(): void {
    this.#clock.tick();
    const stoppedMs = this.#clock.nowMs - this.#stoppedAtMs;
    const { silentMs } = this.#link;
    if (stoppedMs < HOST_SILENT_MS || silentMs < HOST_SILENT_MS) return;
    this.close();
    const seconds = Math.round(silentMs / 1000);
    this.#onSilent(`The target's host has not answered over the handover link for ${seconds} s`);
  }
}
