import { isUnloadedStatus } from "../../../core/qemu/migration-status.ts";
import type { QmpClient } from "../../../qmp/client.ts";
import type { Guest } from "../../guest/guest.ts";
import { AwakeClock } from "../../runtime/awake-clock.ts";
import { connectedPeers } from "../link/peers.ts";

const POLL_MS = 200;
/** QEMU does not answer for this long: it hangs in a handshake, or it is stopped. */
const SILENT_MS = 2_000;
/** From the source's `migrate` to the stream. */
const STREAM_MS = 5_000;

/** What is known of a target that waits for the stream. Times: ms of one AwakeClock. */
export type StreamFacts = {
  readonly nowMs: number;
  /** QEMU's last answer, or the beginning of the watch. */
  readonly answeredAtMs: number;
  /** The source has reported that it sends `migrate`. */
  readonly startingAtMs: number | undefined;
  /** query-migrate's status. */
  readonly status: string;
  /** Addresses that are connected to the port of the stream, and those at the check before. */
  readonly peers: readonly string[];
  readonly peersBefore: readonly string[];
  /** Addresses of the source, as far as they are known. */
  readonly sources: readonly string[];
};

export type StreamVerdict =
  | { readonly type: "waiting" | "streaming" }
  | { readonly type: "trouble"; readonly reason: string };

/**
 * Whether the stream has begun, is awaited, or is kept from beginning: by a stranger on the port, or
 * by a QEMU that does not answer.
 */
export function judgeStream(facts: StreamFacts): StreamVerdict {
  const { nowMs, answeredAtMs, startingAtMs, status, peers, sources } = facts;
  const stranger = findStranger(facts);
  if (stranger !== undefined) {
    return trouble(`A stranger, ${stranger}, is connected to the port of the stream`);
  }
  const silentMs = nowMs - answeredAtMs;
  if (silentMs >= SILENT_MS) {
    return trouble(`The target's QEMU has not answered for ${Math.round(silentMs)} ms`);
  }
  const isWaiting = status === "setup" || isUnloadedStatus(status);
  if (startingAtMs === undefined) return { type: "waiting" };
  if (status === "completed") return { type: "streaming" };
  if (!isWaiting && (peers.length > 0 || sources.length === 0)) return { type: "streaming" };
  if (nowMs - startingAtMs >= STREAM_MS) {
    return trouble(`No stream has begun ${STREAM_MS} ms after the source's \`migrate\``);
  }
  return { type: "waiting" };
}

/**
 * Before the source's report every peer is a stranger, whatever its address is. It counts when it is
 * there twice: the report may have been lost with the link.
 */
function findStranger(facts: StreamFacts): string | undefined {
  const { startingAtMs, peers, peersBefore, sources } = facts;
  if (startingAtMs === undefined) return peers.find((peer) => peersBefore.includes(peer));
  if (sources.length === 0) return undefined;
  return peers.find((peer) => !sources.includes(peer));
}

function trouble(reason: string): StreamVerdict {
  return { type: "trouble", reason };
}

type Options = {
  guest: Guest;
  /** Where its QEMU listens for the stream. */
  address: string;
  port: number;
  /** Nobody is connected to QEMU's port, for sure: found without asking who. */
  isUnconnected: () => boolean;
  /** Addresses of the source, as far as they are known by now. */
  sources: () => string[];
  /** Called once: the stream has begun. */
  onStream: () => void;
  /** Called once; the watch has ended then. */
  onTrouble: (reason: string) => void;
};

/** Watches a target's QEMU from migrate-incoming until the stream has begun. */
export class StreamWatch {
  readonly #options: Options;
  readonly #timer: NodeJS.Timeout;
  readonly #clock = new AwakeClock(POLL_MS);
  #answeredAtMs = this.#clock.nowMs;
  #startingAtMs: number | undefined;
  #status = "none";
  /** Events that have told the status. */
  #events = 0;
  #peers: readonly string[] = [];
  #peersBefore: readonly string[] = [];
  #isAsking = false;
  #isLooking = false;
  #isLookDue = false;
  #state: "watching" | "streaming" | "ended" = "watching";

  constructor(options: Options) {
    this.#options = options;
    this.#timer = setInterval(() => this.#check(), POLL_MS);
  }

  /** The stream has begun: nothing is watched any more. */
  get hasStream(): boolean {
    return this.#state === "streaming";
  }

  /**
   * The source's agent sends `migrate` next: whoever is connected now is a stranger, whatever its
   * address is. True: nobody is.
   */
  async starting(): Promise<boolean> {
    const isClear = this.#startingAtMs !== undefined || this.#options.isUnconnected();
    const [stranger] = isClear ? [] : await this.#connected();
    if (this.#state === "ended") return false;
    if (stranger !== undefined) {
      this.fail(`A stranger, ${stranger}, is connected to the port of the stream`);
      return false;
    }
    this.#startingAtMs ??= this.#clock.nowMs;
    return true;
  }

  /** QEMU's event MIGRATION: a stream that begins is not to be taken for silence. */
  onStatus(status: string): void {
    this.#events += 1;
    this.#status = status;
    this.#answeredAtMs = this.#clock.nowMs;
    void this.#look();
  }

  /** Ends the watch for a reason from outside, as if it had found the trouble itself. */
  fail(reason: string): void {
    if (this.#state !== "watching") return;
    this.close();
    this.#options.onTrouble(reason);
  }

  close(): void {
    if (this.#state === "watching") this.#state = "ended";
    clearInterval(this.#timer);
  }

  /**
   * QEMU reports that the incoming migration has failed. True, and trouble is reported, when that was
   * a stranger's doing: the source had not begun yet.
   */
  hasFailedByStranger(): boolean {
    if (this.#state !== "watching" || this.#startingAtMs !== undefined) return false;
    this.fail("A stranger has sent something else than a stream to the port of the stream");
    return true;
  }

  #connected(): Promise<string[]> {
    return connectedPeers(this.#options.address, this.#options.port);
  }

  #check(): void {
    if (this.#state !== "watching") return;
    this.#clock.tick();
    void this.#ask();
    this.#judge();
    void this.#look();
  }

  /** Looks who is connected; one look at a time. */
  async #look(): Promise<void> {
    this.#isLookDue = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    while (this.#isLookDue && this.#state === "watching") {
      this.#isLookDue = false;
      const peers = await this.#connected();
      this.#peersBefore = this.#peers;
      this.#peers = peers;
      this.#judge();
    }
    this.#isLooking = false;
  }

  #judge(): void {
    if (this.#state !== "watching") return;
    const verdict = judgeStream({
      nowMs: this.#clock.nowMs,
      answeredAtMs: this.#answeredAtMs,
      startingAtMs: this.#startingAtMs,
      status: this.#status,
      peers: this.#peers,
      peersBefore: this.#peersBefore,
      sources: this.#options.sources(),
    });
    if (verdict.type === "trouble") this.fail(verdict.reason);
    if (verdict.type !== "streaming") return;
    this.#state = "streaming";
    this.close();
    this.#options.onStream();
  }

  /** One question at a time: a QEMU that hangs is not given more of them. */
  async #ask(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      const before = this.#events;
      const status = await statusOf(this.#options.guest.qmp);
      // An event that came in one packet with the answer is newer than it.
      if (this.#events === before) this.#status = status;
      this.#answeredAtMs = this.#clock.nowMs;
    } catch {
      // It counts as silence.
    } finally {
      this.#isAsking = false;
    }
  }
}

async function statusOf(qmp: QmpClient): Promise<string> {
  const { status = "none" } = await qmp.execute("query-migrate", {}, { timeoutMs: STREAM_MS });
  return status;
}
