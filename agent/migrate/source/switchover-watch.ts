import { AwakeClock } from "../../runtime/awake-clock.ts";
import { ownTcpSockets, type TcpSocket } from "../../runtime/tcp-table.ts";
import type { HandoverClient } from "../link/handover-client.ts";
import { PATH_HINT } from "../link/path-hint.ts";
import type { GaveUp } from "./state.ts";

const CHECK_MS = 1_000;
/**
 * A target's host that is silent for so long in the switchover is taken for dead, and so is a path
 * that carries nothing. Giving up is safe: the target may run the guest only after this side has
 * reported `completed` over the handover link.
 */
export const HOST_SILENT_MS = 10_000;
/** The kernel has sent the same bytes so often again that no answer is merely late. */
const RETRANSMITS_MIN = 3;

type Connection = Pick<TcpSocket, "inode" | "unacknowledgedBytes" | "retransmits">;

type Options = {
  link: Pick<HandoverClient, "silentMs">;
  /** Of QEMU to the target's host. */
  connections: () => readonly Connection[];
  /** Called at most once. */
  onGaveUp: (gaveUp: GaveUp) => void;
};

/**
 * Watches the target's host, and the path to it, while the guest is stopped for the switchover. A
 * host that has lost its power sends no reset, and a switch that drops packets over its MTU says
 * nothing: QEMU would wait for as long as the kernel retransmits, 15 minutes (Linux, tcp(7),
 * tcp_retries2).
 */
export class SwitchoverWatch {
  readonly #options: Options;
  /** Since when a connection has had the same bytes unanswered, by its inode. */
  readonly #unanswered = new Map<string, { bytes: number; sinceMs: number }>();
  #timer: NodeJS.Timeout | undefined;
  readonly #clock = new AwakeClock(CHECK_MS);
  #stoppedAtMs = 0;
  #hasEnded = false;

  constructor(options: Options) {
    this.#options = options;
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
    const { silentMs } = this.#options.link;
    const unansweredMs = this.#longestUnanswered();
    if (this.#clock.nowMs - this.#stoppedAtMs < HOST_SILENT_MS) return;
    if (silentMs >= HOST_SILENT_MS) {
      const reason = `The target's host has not answered over the handover link for ${seconds(silentMs)} s`;
      this.#giveUp({ during: "switchover", code: "target-host-silent", reason });
    } else if (unansweredMs >= HOST_SILENT_MS) {
      const reason = `What the stream sent has not arrived for ${seconds(unansweredMs)} s, though the target's agent answers over the handover link: ${PATH_HINT}`;
      this.#giveUp({ during: "switchover", code: "stream-silent", reason });
    }
  }

  #giveUp(gaveUp: GaveUp): void {
    this.close();
    this.#options.onGaveUp(gaveUp);
  }

  /** A target that has no room yet answers; so only a path that carries nothing is seen here. */
  #longestUnanswered(): number {
    const nowMs = this.#clock.nowMs;
    let longestMs = 0;
    for (const { inode, unacknowledgedBytes: bytes, retransmits } of this.#options.connections()) {
      const before = this.#unanswered.get(inode);
      if (before?.bytes !== bytes || retransmits === 0) {
        this.#unanswered.set(inode, { bytes, sinceMs: nowMs });
      } else if (retransmits >= RETRANSMITS_MIN) {
        longestMs = Math.max(longestMs, nowMs - before.sinceMs);
      }
    }
    return longestMs;
  }
}

/** The TCP connections of a process to an address, for {@link SwitchoverWatch}. */
export function connectionsTo(address: string | undefined, pid: number): TcpSocket[] {
  return ownTcpSockets(pid).filter(({ remoteAddress }) => remoteAddress === address);
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}
