import type { Guest } from "../../guest/guest.ts";
import type { Log } from "../../runtime/log.ts";
import type { AckSeen } from "../ack-watch.ts";
import { PendingWatch } from "./pending-watch.ts";
import type { Replacement } from "./replacement.ts";
import { RUN_MS } from "./run-guest.ts";
import type { TargetInput } from "./state.ts";

type Options = {
  guest: Guest;
  log: Log;
  /** It is told what QEMU reports, and says what a stranger has caused. */
  replacement: () => Replacement | undefined;
  /** Whether the end of this process concerns the migration. */
  isFollowed: () => boolean;
  apply: (input: TargetInput) => void;
  onPending: (seen: AckSeen) => void;
};

/** Observes one QEMU of a target: its events, its log and its end. */
export class TargetObserver {
  readonly #options: Options;
  readonly #unsubscribe: (() => void)[] = [];
  readonly #pendingWatch: PendingWatch;

  constructor(options: Options) {
    this.#options = options;
    const { guest, log, replacement, apply, onPending } = options;
    // Lines that an earlier run of the agent has read are not read again.
    this.#pendingWatch = new PendingWatch(guest, log, onPending);
    this.#unsubscribe.push(
      guest.monitor.on("MIGRATION", ({ data: { status } }) => {
        if (status === "failed" && replacement()?.hasFailedByStranger()) return;
        if (status !== "failed") replacement()?.onStatus(status);
        apply({ type: "status", status });
      }),
      guest.monitor.onReconnect(() => void this.poll()),
    );
    void guest.ended.then(() => this.#onEnded());
  }

  /** Reads what may have happened while no event could be received. */
  async poll(): Promise<void> {
    const { guest, log, apply } = this.#options;
    try {
      const { qmp, manifest } = guest;
      const [{ status: runState }, { status }] = await Promise.all([
        qmp.execute("query-status", {}, { timeoutMs: RUN_MS }),
        qmp.execute("query-migrate", {}, { timeoutMs: RUN_MS }),
      ]);
      apply({
        type: "observed",
        runState,
        status,
        isGranted: manifest.permittedToRun,
        runStateBefore: manifest.migration?.runStateBefore ?? "running",
        atMs: Date.now(),
      });
    } catch (error) {
      log.debug({ error }, "QEMU does not answer");
    }
  }

  /** Why the incoming migration has failed. */
  async readError(): Promise<void> {
    const { guest, log, apply } = this.#options;
    this.#pendingWatch.flush();
    const info = await guest.qmp.execute("query-migrate").catch(() => undefined);
    const words = guest.lastOutput();
    const reason = info?.["error-desc"];
    // The reason alone is often "load of migration failed": stderr names the device.
    const wrote = words === "" ? "" : `; QEMU wrote: ${words}`;
    const errorDescription = reason === undefined ? words : `${reason}${wrote}`;
    log.warn({ errorDescription }, "the incoming migration failed");
    apply({ type: "error", errorDescription });
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#pendingWatch.close();
  }

  #onEnded(): void {
    const { guest, log, isFollowed, apply } = this.#options;
    // What was counted before the end is emitted before it.
    this.#pendingWatch.flush();
    if (guest.isBeingEnded || !isFollowed()) return;
    const lastWords = guest.lastOutput();
    log.warn({ lastWords }, "the target's QEMU has exited");
    apply({ type: "exited", lastWords });
  }
}
