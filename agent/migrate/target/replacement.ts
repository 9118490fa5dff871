import { setTimeout as delay } from "node:timers/promises";
import type { Guest } from "../../guest/guest.ts";
import type { Log } from "../../runtime/log.ts";
import { connectedPeers } from "../link/peers.ts";
import type { FromSource, FromTarget } from "../link/watch-message.ts";
import { StreamWatch } from "./stream-watch.ts";

const REPLACEMENTS_MAX = 3;
const ANSWER_MS = 500;
const CLOSED_MS = 300;
const REASON_CHARACTERS_MAX = 500;

/** A target's QEMU that listens, at `tcp:address:port`. */
export type Listening = {
  readonly guest: Guest;
  readonly migrationUri: string;
  /** Nobody is connected to it, for sure. */
  readonly isUnconnected: () => boolean;
};

type Options = {
  log: Log;
  /** Where QEMU listens. */
  address: string;
  /** Addresses of the source, as far as they are known by now. */
  sources: () => string[];
  /** The guest may run here, so its process must not be killed. */
  isPermittedToRun: () => boolean;
  /** Kills QEMU, and starts and sets up another one in its place. */
  replace: () => Promise<Listening>;
  send: (message: FromTarget) => void;
  onRestarted: (attempt: number, reason: string) => void;
  /** No stream has begun, and no other QEMU is started. */
  onGaveUp: (reason: string) => void;
};

/**
 * Sees to it that a stream begins: a target's QEMU that a stranger holds, or that does not answer, is
 * killed and replaced by one on another port. That is safe before the stream has begun: its guest has
 * never run, and the source has not completed. A killed QEMU frees a source that hangs in a handshake
 * with it (docs/internals/qemu-facts.md, "TLS").
 */
export class Replacement {
  readonly #options: Options;
  #watch: StreamWatch | undefined;
  #uri = "";
  #attempts = 0;
  #state: "watching" | "replacing" | "ended" = "watching";
  #isSettled = false;
  #replacing: Promise<void> = Promise.resolve();

  constructor(options: Options) {
    this.#options = options;
  }

  /** A process that ends now was killed here. */
  get isReplacing(): boolean {
    return this.#state === "replacing";
  }

  /** Watches a target that has begun to listen. */
  watch({ guest, migrationUri, isUnconnected }: Listening): void {
    this.#watch?.close();
    this.#uri = migrationUri;
    this.#watch = new StreamWatch({
      guest,
      address: this.#options.address,
      port: this.#port,
      isUnconnected,
      sources: this.#options.sources,
      onStream: () => this.#options.send({ type: "streaming" }),
      onTrouble: (reason) => void this.#replace(reason),
    });
  }

  get #port(): number {
    return Number(this.#uri.split(":").at(-1));
  }

  onMessage(message: FromSource, guest: Guest): void {
    if (this.#state === "replacing") return; // The source will hear of it.
    if (message.type === "silent") {
      void this.#onSilent(message, guest);
      return;
    }
    const { migrationUri } = message;
    const isStale = this.#attempts > 0 && migrationUri !== this.#uri;
    if (isStale) this.#reportReplaced("The target's QEMU was replaced before");
    else void this.#onStarting();
  }

  async #onStarting(): Promise<void> {
    if (await this.#watch?.starting()) this.#options.send({ type: "clear" });
  }

  /** QEMU reports that the incoming migration has failed. True: a stranger has caused it. */
  hasFailedByStranger(): boolean {
    return this.#state === "replacing" || (this.#watch?.hasFailedByStranger() ?? false);
  }

  onStatus(status: string): void {
    this.#watch?.onStatus(status);
  }

  close(): void {
    this.#state = "ended";
    this.#watch?.close();
  }

  /**
   * Nothing is replaced from now on. Resolves when a replacement that is under way has ended: the cloud
   * decides by what it observes here, so no process may be started after that.
   */
  settle(): Promise<void> {
    this.#isSettled = true;
    this.#watch?.close();
    return this.#replacing;
  }

  /** A source that does not answer while the stream runs is busy with it. */
  async #onSilent(
    { hasFailed, reason }: Extract<FromSource, { type: "silent" }>,
    guest: Guest,
  ): Promise<void> {
    const isKept = hasFailed ? await this.#isFree(guest) : (this.#watch?.hasStream ?? true);
    if (this.#state === "replacing") return;
    if (isKept || this.#state === "ended") {
      // The source ends this migration: nothing is awaited any more.
      if (hasFailed) this.close();
      this.#options.send({ type: "not-replaced", reason: "The target's side is not the cause" });
      return;
    }
    await this.#replace(reason);
  }

  /**
   * After the source's `migrate` has failed: nobody holds this QEMU. It answers, and nobody is
   * connected to it, or it has failed as well; the cause is another one, such as a wrong key.
   */
  async #isFree({ qmp, isAlive }: Guest): Promise<boolean> {
    if (!isAlive) return true;
    try {
      const { status } = await qmp.execute("query-migrate", {}, { timeoutMs: ANSWER_MS });
      if (status === "failed") return true;
    } catch {
      return false; // It hangs.
    }
    // The source's own connection has been closed by then.
    await delay(CLOSED_MS);
    return (await connectedPeers(this.#options.address, this.#port)).length === 0;
  }

  #replace(cause: string): Promise<void> {
    if (this.#state !== "watching" || this.#isSettled || this.#options.isPermittedToRun()) {
      return Promise.resolve();
    }
    this.#replacing = this.#replaceNow(cause);
    return this.#replacing;
  }

  async #replaceNow(cause: string): Promise<void> {
    const { send, replace, log, onRestarted } = this.#options;
    this.#watch?.close();
    const reason = cause.slice(0, REASON_CHARACTERS_MAX);
    if (this.#attempts >= REPLACEMENTS_MAX) return this.#giveUp(reason);
    this.#attempts += 1;
    this.#state = "replacing";
    log.warn({ reason, attempt: this.#attempts }, "the target's QEMU is replaced");
    send({ type: "replacing", reason });
    try {
      const next = await replace();
      if (!this.isReplacing) return; // Closed meanwhile.
      this.#state = "watching";
      if (!this.#isSettled) this.watch(next);
      onRestarted(this.#attempts, reason);
      this.#reportReplaced(reason);
    } catch (error) {
      log.error({ error }, "the target's QEMU cannot be replaced");
      if (!this.isReplacing) return;
      const message = error instanceof Error ? error.message : String(error);
      this.#giveUp(`${reason}. The target's QEMU cannot be replaced: ${message}`);
    }
  }

  #reportReplaced(reason: string): void {
    this.#options.send({ type: "replaced", migrationUri: this.#uri, reason });
  }

  #giveUp(why: string): void {
    const reason = why.slice(0, REASON_CHARACTERS_MAX);
    this.close();
    this.#options.send({ type: "not-replaced", reason });
    this.#options.onGaveUp(reason);
  }
}
