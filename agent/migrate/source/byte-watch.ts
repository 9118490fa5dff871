import { type LastSent, nextSent, StallRule } from "../../../core/convergence/stall.ts";
import type { Progress } from "../../../core/protocol/event.ts";
import type { AwakeClock } from "../../runtime/awake-clock.ts";
import type { HandoverClient } from "../link/handover-client.ts";
import { PATH_HINT } from "../link/path-hint.ts";

const SILENCE_MS = StallRule.parse({}).silenceMs;
/** The target's agent answers each second: a link with an answer this young is alive. */
const ALIVE_MS = 5_000;

type Link = Pick<HandoverClient, "silentMs" | "linkUp">;

type Options = {
  /** Without a byte for this long the stream is given up. */
  silenceMs: number | undefined;
  clock: Pick<AwakeClock, "nowMs">;
  link: () => Link | undefined;
};

/** Watches the bytes of a stream in precopy. */
export class ByteWatch {
  readonly #silenceMs: number;
  readonly #clock: Pick<AwakeClock, "nowMs">;
  readonly #link: () => Link | undefined;
  #sent: LastSent | undefined;

  constructor({ silenceMs = SILENCE_MS, clock, link }: Options) {
    this.#silenceMs = silenceMs;
    this.#clock = clock;
    this.#link = link;
  }

  /** Why the stream is given up; undefined: it is not. */
  observe(progress: Progress): string | undefined {
    const atMs = this.#clock.nowMs;
    const { status, ramTransferredBytes, ramRemainingBytes, remainingBytes } = progress;
    if (status !== "active" || ramTransferredBytes === undefined) {
      this.#sent = undefined;
      return undefined;
    }
    this.#sent = nextSent(this.#sent, {
      atMs,
      transferredBytes: ramTransferredBytes,
      remainingBytes: remainingBytes ?? ramRemainingBytes ?? 0,
    });
    const silentMs = atMs - this.#sent.atMs;
    return silentMs < this.#silenceMs ? undefined : this.#explain(silentMs);
  }

  #explain(silentMs: number): string {
    const text = `No byte of the stream was sent for ${Math.round(silentMs / 1000)} s`;
    const link = this.#link();
    if (!link?.linkUp || link.silentMs > ALIVE_MS) {
      return `${text}, and the target's agent does not answer over the handover link`;
    }
    return `${text}, though the target's agent answers over the handover link: ${PATH_HINT}`;
  }
}
