import { isMigrationRunState } from "../../core/qemu/run-state.ts";
import { QmpTimeoutError } from "../../qmp/error.ts";
import type { QmpEvent, QmpEventData, QmpEventName } from "../../qmp/events.ts";
import type { Monitor } from "./monitor.ts";

/** A QEMU that is silent for longer is asked again. */
const QUERY_MS = 60_000;
const REASON_LENGTH_MAX = 500;

/** Events after which the run state is queried. A RESET may come with a change of it. */
const RUN_STATE_EVENTS = [
  "STOP",
  "RESUME",
  "SUSPEND",
  "WAKEUP",
  "RESET",
  "SHUTDOWN",
  "GUEST_PANICKED",
  "GUEST_CRASHLOADED",
  "WATCHDOG",
] as const satisfies QmpEventName[];

export type RunStateChange = {
  /** As query-status reports it; never a run state that QEMU enters for a migration. */
  readonly runState: string;
  /** What QEMU reported as the cause. */
  readonly reason?: string;
  /** QEMU's time of the event, ms since the epoch. */
  readonly atMs: number;
};

/** What QEMU reported before its process ended. */
export type ExitCauses = {
  readonly shutdown?: { readonly guest: boolean; readonly reason: string };
  readonly panicked?: true;
};

type Listener = (change: RunStateChange) => void;

/**
 * Follows the run state of one guest: queried after each event that may change it, at each attach and
 * at each reconnect. Run states that QEMU enters for a migration are no changes of the guest. One
 * query is under way at a time, so a flood of events costs no more than its answers.
 */
export class RunStateFollower {
  readonly #monitor: Monitor;
  readonly #listeners = new Set<Listener>();
  /** By the run state that each leads to: the newest reason. */
  readonly #reasons = new Map<string, string>();
  #current: string | undefined;
  #shutdown: ExitCauses["shutdown"];
  #panicked = false;
  #eventAtMs: number | undefined;
  #isStale = false;
  #reading: Promise<void> | undefined;

  constructor(monitor: Monitor) {
    this.#monitor = monitor;
    for (const name of RUN_STATE_EVENTS) monitor.on(name, (event) => this.#onEvent(event));
    monitor.on("BLOCK_IO_ERROR", ({ data, timestampMs }) => this.#onIoError(data, timestampMs));
    monitor.onReconnect(() => void this.refresh());
  }

  /** The last run state that was not a migration's own; undefined until one was read. */
  get current(): string | undefined {
    return this.#current;
  }

  get exitCauses(): ExitCauses {
    return {
      ...(this.#shutdown === undefined ? {} : { shutdown: this.#shutdown }),
      ...(this.#panicked ? { panicked: true } : {}),
    };
  }

  /** Calls `listener` for each change, and for the first run state that is read. */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Reads the run state; resolves when it was read, or when QEMU cannot be asked. Never rejects. */
  refresh(): Promise<void> {
    this.#isStale = true;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    while (this.#isStale) {
      this.#isStale = false;
      try {
        const { qmp } = this.#monitor;
        const { status } = await qmp.execute("query-status", {}, { timeoutMs: QUERY_MS });
        this.#onRead(status);
      } catch (error) {
        // A session that has ended is read again when the next one is open.
        if (error instanceof QmpTimeoutError) this.#isStale = true;
      }
    }
  }

  #onEvent(event: QmpEvent<(typeof RUN_STATE_EVENTS)[number]>): void {
    const { name, data, timestampMs } = event;
    this.#noteExitCause(name, data);
    const cause = causeOf(name, data);
    if (cause) this.#reasons.set(cause.runState, cause.reason.slice(0, REASON_LENGTH_MAX));
    this.#eventAtMs = Number.isNaN(timestampMs) ? Date.now() : timestampMs;
    void this.refresh();
  }

  #onIoError(data: QmpEventData<"BLOCK_IO_ERROR">, timestampMs: number): void {
    // With another action the guest runs on.
    if (data.action !== "stop") return;
    const where = data["node-name"] || data.device;
    const reason = `BLOCK_IO_ERROR ${data.operation} on ${where}: ${data.reason}`;
    this.#reasons.set("io-error", reason.slice(0, REASON_LENGTH_MAX));
    this.#eventAtMs = Number.isNaN(timestampMs) ? Date.now() : timestampMs;
    void this.refresh();
  }

  #noteExitCause(name: string, data: Readonly<Record<string, unknown>>): void {
    if (name === "SHUTDOWN") {
      this.#shutdown = { guest: data.guest === true, reason: String(data.reason).slice(0, 64) };
    }
    if (name === "GUEST_PANICKED") this.#panicked = true;
    if (name === "RESET") this.#panicked = false;
    if (name === "RESET" || name === "RESUME") this.#shutdown = undefined;
  }

  #onRead(runState: string): void {
    const atMs = this.#eventAtMs ?? Date.now();
    if (!this.#isStale) this.#eventAtMs = undefined;
    if (isMigrationRunState(runState) || runState === this.#current) return;
    this.#current = runState;
    if (runState === "guest-panicked") this.#panicked = true;
    const reason = this.#reasons.get(runState);
    this.#reasons.clear();
    const change = { runState, atMs, ...(reason === undefined ? {} : { reason }) };
    for (const listener of [...this.#listeners]) listener(change);
  }
}

/** The run state that an event leads to, and what QEMU reported. STOP and RESUME give no cause. */
function causeOf(
  name: string,
  { reason, action }: Readonly<Record<string, unknown>>,
): { runState: string; reason: string } | undefined {
  switch (name) {
    case "SHUTDOWN":
      return { runState: "shutdown", reason: String(reason) };
    case "GUEST_PANICKED":
      return { runState: "guest-panicked", reason: `GUEST_PANICKED, action ${action}` };
    case "WATCHDOG":
      return { runState: "watchdog", reason: `WATCHDOG, action ${action}` };
    case "SUSPEND":
      return { runState: "suspended", reason: "SUSPEND" };
    case "WAKEUP":
      return { runState: "running", reason: "WAKEUP" };
    case "RESET":
      return { runState: "running", reason: `RESET, ${reason}` };
    default:
      return undefined;
  }
}
