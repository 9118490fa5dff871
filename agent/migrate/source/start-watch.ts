import { setTimeout as delay } from "node:timers/promises";
import { isIdleStatus, UNTOUCHED_STATUS } from "../../../core/qemu/migration-status.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import type { Guest } from "../../guest/guest.ts";
import type { Log } from "../../runtime/log.ts";
import type { HandoverClient } from "../link/handover-client.ts";
import type { FromTarget } from "../link/watch-message.ts";
import { waitForCleanup } from "./earlier-migration.ts";
import type { SourceInput } from "./state.ts";

/** Without the target's answer by then `migrate` is sent all the same. */
const CLEAR_MS = 1_000;
/** The target's agent answers a failed start within this. */
const VERDICT_MS = 3_000;
/** The start of another QEMU at the target: see the time that a start may take there. */
const REPLACEMENT_MS = 60_000;
/** A `migrate` whose peer was killed fails by itself within this. */
const FAILING_MS = 1_000;
const FAILED_MS = 15_000;
const POLL_MS = 20;

type Options = {
  guest: Guest;
  log: Log;
  link: HandoverClient;
  /** Takes in what was held back: it is the end of the migration after all. */
  release: (input: SourceInput) => void;
  /** The stream has begun, and the target's QEMU is not replaced any more. */
  onStream: () => void;
};

/**
 * Watches the source from before `migrate` until the stream has begun. Before `migrate`, the
 * target's agent checks that nobody is connected to its port: whoever is there is a stranger. When
 * QEMU falls silent or its `migrate` fails, the target's agent is asked whether its QEMU is the cause;
 * if it replaces it, `migrate` is sent again, to the new address. Until then the failure of the first
 * `migrate` is held back.
 */
export class StartWatch {
  readonly #options: Options;
  #state: "clearing" | "starting" | "asking" | "replacing" | "restarting" | "ended" = "clearing";
  #uri = "";
  #onClear: () => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #heldBack: SourceInput | undefined;

  constructor(options: Options) {
    this.#options = options;
    options.link.onWatch = (message) => this.#onMessage(message);
  }

  /**
   * Waits until nobody else is connected to the target's port.
   *
   * @returns the address for `migrate`
   * @throws CommandRefusedError when the watch is closed meanwhile
   */
  async clear(migrationUri: string): Promise<string> {
    const uri = await this.#waitUntilClear(migrationUri);
    this.#state = "starting";
    return uri;
  }

  async #waitUntilClear(migrationUri: string): Promise<string> {
    this.#state = "clearing";
    const isClear = new Promise<void>((resolve) => {
      this.#onClear = resolve;
    });
    this.#announce(migrationUri);
    await isClear;
    clearTimeout(this.#timer);
    if (this.#hasEnded()) {
      throw new CommandRefusedError("refused", "The migration has ended before its start");
    }
    return this.#uri;
  }

  #announce(migrationUri: string): void {
    this.#uri = migrationUri;
    this.#options.link.send({ type: "starting", migrationUri });
    this.#clearAfter(CLEAR_MS);
  }

  #clearAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onClear(), ms);
  }

  /** True: the input is not to be taken in, since `migrate` may be sent again. */
  holdsBack(input: SourceInput): boolean {
    if (this.#state === "ended") return false;
    if (hasBegun(input)) {
      this.close();
      return false;
    }
    if (input.type === "qmp-silent") this.#onSilent();
    if (!isFailure(input)) return false;
    this.#heldBack = input;
    if (this.#state === "starting") this.#ask(input);
    return true;
  }

  /** The stream has begun, or the migration is cancelled: what comes from now on counts. */
  close(): void {
    this.#state = "ended";
    clearTimeout(this.#timer);
    this.#onClear();
  }

  /** QEMU holds its main loop, and with it the guest. */
  #onSilent(): void {
    const reason = "The source's QEMU does not answer";
    this.#options.link.send({ type: "silent", hasFailed: false, reason });
  }

  #ask(input: SourceInput): void {
    this.#state = "asking";
    const reason = `The source's \`migrate\` has failed before the stream began (${input.type})`;
    this.#options.link.send({ type: "silent", hasFailed: true, reason });
    this.#giveUpAfter(VERDICT_MS);
  }

  #onMessage(message: FromTarget): void {
    if (this.#state === "ended" || this.#state === "restarting") return;
    if (message.type === "streaming") {
      this.close();
      this.#options.onStream();
    } else if (this.#state === "clearing") {
      this.#onCleared(message);
    } else if (message.type === "replaced") {
      // The newest message comes again on each new link.
      if (message.migrationUri !== this.#uri) void this.#restart(message.migrationUri);
    } else if (message.type === "clear") {
      return;
    } else if (message.type === "replacing") {
      this.#state = "replacing";
      this.#giveUpAfter(REPLACEMENT_MS);
    } else if (this.#state !== "starting") {
      this.#giveUp();
    } else {
      // `migrate` has not failed: it goes on.
      this.#options.log.info({ reason: message.reason }, "the target's QEMU is not replaced");
    }
  }

  #onCleared(message: FromTarget): void {
    if (message.type === "replaced") this.#announce(message.migrationUri);
    else if (message.type === "replacing") this.#clearAfter(REPLACEMENT_MS);
    else this.#onClear();
  }

  async #restart(migrationUri: string): Promise<void> {
    const { guest, log } = this.#options;
    this.#state = "restarting";
    clearTimeout(this.#timer);
    try {
      await this.#waitUntilFailed();
      if (this.#hasEnded()) return;
      const [uri] = await Promise.all([
        this.#waitUntilClear(migrationUri),
        waitForCleanup(guest.qmp),
      ]);
      await guest.qmp.execute("migrate", { uri });
      // Not before: figures that were read until here have the first one's end.
      this.#heldBack = undefined;
      if (!this.#hasEnded()) this.#state = "starting";
    } catch (error) {
      log.error({ error }, "`migrate` cannot be sent again");
      this.#heldBack ??= { type: "status", status: "failed", atMs: Date.now() };
      this.#giveUp();
    }
  }

  #hasEnded(): boolean {
    return this.#state === "ended";
  }

  /** @throws Error when the first `migrate` has not ended within 15 s */
  async #waitUntilFailed(): Promise<void> {
    const { qmp } = this.#options.guest;
    // By a timer: a QEMU that hangs answers nothing else.
    const yank = setTimeout(() => {
      qmp.execute("yank", { instances: [{ type: "migration" }] }).catch(() => undefined);
    }, FAILING_MS);
    const deadline = performance.now() + FAILED_MS;
    try {
      for (;;) {
        const info = await qmp.execute("query-migrate", {}, { timeoutMs: FAILED_MS });
        const { status = UNTOUCHED_STATUS } = info;
        if (isIdleStatus(status) || this.#hasEnded()) return;
        if (performance.now() > deadline) throw new Error(`\`migrate\` has not ended: ${status}`);
        await delay(POLL_MS);
      }
    } finally {
      clearTimeout(yank);
    }
  }

  #giveUpAfter(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#giveUp(), ms);
  }

  #giveUp(): void {
    this.close();
    if (this.#heldBack) this.#options.release(this.#heldBack);
  }
}

/**
 * The guest was stopped for the switchover. Bytes that were sent prove nothing: they may wait in the
 * kernel for a target that is frozen.
 */
function hasBegun(input: SourceInput): boolean {
  if (input.type === "status") {
    return ["completed", "pre-switchover", "device", "postcopy-active"].includes(input.status);
  }
  return input.type === "exited";
}

function isFailure(input: SourceInput): boolean {
  if (input.type === "status") return isIdleStatus(input.status) && input.status !== "completed";
  if (input.type !== "figures" || input.progress.status === "completed") return false;
  return isIdleStatus(input.progress.status);
}
