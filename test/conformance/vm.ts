import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { QmpClient } from "../../qmp/client.ts";
import { QmpCommandError, QmpDisconnectedError, QmpTimeoutError } from "../../qmp/error.ts";
import { isQmpEvent, type QmpEvent } from "../../qmp/events.ts";
import type { Json } from "./expectation.ts";
import type { GuestKind } from "./guest.ts";
import { PATIENCE_MS } from "./patience.ts";

/**
 * An event as a dialogue sees it: a migration status in QEMU's word, or the name of any other
 * event.
 */
export type SeenEvent = { text: string; atMs: number; data: Readonly<Record<string, unknown>> };

export type VmOptions = {
  /** Default `idle`. */
  guest?: GuestKind;
  /** Default 32. */
  memoryMebibytes?: number;
  /** Default `pc`, the newest of the binary. */
  machine?: string;
  /** `-incoming defer`. */
  incoming?: boolean;
  /** `-S`. */
  paused?: boolean;
  /** More of the command line. */
  more?: string[];
};

export type VmStart = {
  name: string;
  folder: string;
  command: string;
  arguments: string[];
  environment: Record<string, string>;
  /** The control socket of a model; undefined: a real QEMU. */
  control?: string | undefined;
};

const POLL_MS = 10;
const STDERR_BYTES_MAX = 64 * 1024;

/**
 * One QEMU process (or model of one) that a dialogue talks to over QMP, with out-of-band commands
 * enabled.
 */
export class Vm {
  readonly name: string;
  /** The control socket of a model; undefined: a real QEMU. */
  readonly control: string | undefined;
  /** All events but MIGRATION_PASS, in order of arrival. */
  readonly events: SeenEvent[] = [];
  /** MIGRATION_PASS events: their count, and the number in the first. */
  readonly passes: { count: number; first: number } = { count: 0, first: 0 };
  #stderr = "";
  #exit: string | number | undefined;
  #qmp: QmpClient | undefined;
  readonly #gone = new AbortController();
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(start: VmStart) {
    this.name = start.name;
    this.control = start.control;
    this.#folder = start.folder;
    const qmp = `unix:${this.#path("qmp")},server=on,wait=on`;
    const all = [...start.arguments, "-D", this.#path("log"), "-qmp", qmp];
    const env = { ...process.env, ...start.environment };
    this.#process = spawn(start.command, all, { stdio: ["ignore", "ignore", "pipe"], env });
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_BYTES_MAX);
    });
    this.#process.on("error", (error) => this.#end(`not started: ${error.message}`));
    this.#process.on("exit", (code, signal) => this.#end(signal ?? code ?? "unknown"));
  }

  /**
   * Resolves when QMP is ready, or when the process has exited before: then every command yields
   * `closed`.
   */
  static async start(start: VmStart): Promise<Vm> {
    const vm = new Vm(start);
    try {
      vm.#qmp = await QmpClient.connect(
        { path: vm.#path("qmp") },
        {
          connectTimeoutMs: PATIENCE_MS,
          signal: vm.#gone.signal,
          onEvent: (event) => vm.#see(event),
        },
      );
    } catch (error) {
      if (vm.#exit !== undefined) return vm;
      await vm.kill();
      throw new Error(`Failed to start ${vm.name}: ${vm.#stderr}`, { cause: error });
    }
    return vm;
  }

  get oobEnabled(): boolean {
    return this.#qmp?.oobEnabled ?? false;
  }

  /**
   * The answer in one value: `ok` for `{}`, what was returned, `<class>: <text>` for an error, `no
   * answer`, `closed`.
   */
  async ask(
    command: string,
    parameters?: Record<string, unknown>,
    options: { timeoutMs?: number; outOfBand?: boolean } = {},
  ): Promise<Json> {
    if (this.#qmp === undefined) return "closed";
    const { timeoutMs = PATIENCE_MS, outOfBand = false } = options;
    try {
      const value = await this.#qmp.executeAny(command, parameters, { timeoutMs, oob: outOfBand });
      return inOneValue(value);
    } catch (error) {
      if (error instanceof QmpCommandError) return `${error.class}: ${error.desc}`;
      if (error instanceof QmpTimeoutError) return "no answer";
      if (error instanceof QmpDisconnectedError) return "closed";
      throw error;
    }
  }

  /** Sets capabilities in one command: on for a plain name, off for a name that starts with `-`. */
  set(...names: string[]): Promise<Json> {
    const capabilities = names.map((name) => ({
      capability: name.replace(/^-/, ""),
      state: !name.startsWith("-"),
    }));
    return this.ask("migrate-set-capabilities", { capabilities });
  }

  /** Names of the capabilities that are on. */
  async capabilities(): Promise<string[]> {
    const answer = (await this.ask("query-migrate-capabilities")) as {
      capability: string;
      state: boolean;
    }[];
    return answer.filter(({ state }) => state).map(({ capability }) => capability);
  }

  tune(parameters: Record<string, unknown>): Promise<Json> {
    return this.ask("migrate-set-parameters", parameters);
  }

  async migration(): Promise<Record<string, Json>> {
    const answer = await this.ask("query-migrate");
    return typeof answer === "object" && answer !== null && !Array.isArray(answer)
      ? (answer as Record<string, Json>)
      : {};
  }

  /** The migration status, `none` when query-migrate shows none. */
  async status(): Promise<string> {
    const answer = await this.ask("query-migrate");
    if (answer === "closed" || answer === "no answer") return answer;
    return String((answer as Record<string, Json>).status ?? "none");
  }

  async runState(): Promise<Json> {
    const answer = await this.ask("query-status");
    return (answer as Record<string, Json>).status ?? answer;
  }

  /** Waits for one of the migration statuses and returns it, or `still <status>`. */
  async until(statuses: string | string[], timeoutMs = PATIENCE_MS): Promise<string> {
    const wanted = [statuses].flat();
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const status = await this.status();
      if (wanted.includes(status)) return status;
      if (status === "closed" || performance.now() > deadline) return `still ${status}`;
      await sleep(POLL_MS);
    }
  }

  async untilRunState(state: string, timeoutMs = PATIENCE_MS): Promise<Json> {
    await this.waitFor(async () => (await this.runState()) === state, timeoutMs);
    return this.runState();
  }

  /** Waits for an event by its text (see SeenEvent); false when it did not arrive. */
  seen(text: string, timeoutMs = PATIENCE_MS): Promise<boolean> {
    return this.waitFor(() => this.events.some((event) => event.text === text), timeoutMs);
  }

  /** The events so far, as texts. */
  story(): string[] {
    return this.events.map((event) => event.text);
  }

  /** How the process ended: its code, the name of the signal, or `running`. */
  async exit(timeoutMs = PATIENCE_MS): Promise<string | number> {
    await this.waitFor(() => this.#exit !== undefined, timeoutMs);
    return this.#exit ?? "running";
  }

  stderr(): string {
    return this.#stderr;
  }

  /** Lines of the trace log that match, in order. */
  async trace(pattern: RegExp): Promise<string[]> {
    const text = await readFile(this.#path("log"), "utf8").catch(() => "");
    return text.split("\n").filter((line) => pattern.test(line));
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Ends the process by SIGKILL, and waits until it has exited. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.exit();
    await this.#qmp?.close();
  }

  async waitFor(
    condition: () => boolean | Promise<boolean>,
    timeoutMs = PATIENCE_MS,
  ): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!(await condition())) {
      if (performance.now() > deadline) return false;
      await sleep(POLL_MS);
    }
    return true;
  }

  #path(kind: string): string {
    return join(this.#folder, `${this.name}.${kind}`);
  }

  #end(how: string | number): void {
    this.#exit ??= how;
    this.#gone.abort();
  }

  #see(event: QmpEvent): void {
    if (isQmpEvent(event, "MIGRATION_PASS")) {
      if (this.passes.count === 0) this.passes.first = event.data.pass;
      this.passes.count += event.count;
      return;
    }
    const text = isQmpEvent(event, "MIGRATION") ? event.data.status : event.name;
    this.events.push({ text, atMs: event.timestampMs, data: event.data });
  }
}

/** Integers that JavaScript's numbers cannot hold become text. */
function inOneValue(value: unknown): Json {
  const text = JSON.stringify(value, (_key, member: unknown) =>
    typeof member === "bigint" ? String(member) : member,
  );
  return text === "{}" ? "ok" : (JSON.parse(text) as Json);
}
