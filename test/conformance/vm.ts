import { type ChildProcess, spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Json } from "./expectation.ts";
import { type QmpLine, type QmpReply, QmpSocket } from "./qmp-socket.ts";

/** An event as a dialogue sees it: a migration state in QEMU's own word, or the name of any other event. */
export type SeenEvent = { text: string; atMicroseconds: number; data: Record<string, unknown> };

const answerTimeoutMs = 5_000;
const startTimeoutMs = 8_000;
const pollMs = 10;
const stderrBytesMax = 64 * 1024;

export type VmStart = {
  name: string;
  folder: string;
  command: string;
  arguments: string[];
  environment: Record<string, string>;
};

/** One QEMU process (or model of one) that a dialogue talks to over QMP, with out-of-band commands enabled. */
export class Vm {
  readonly name: string;
  /** All but MIGRATION_PASS, in order of arrival. */
  readonly events: SeenEvent[] = [];
  /** MIGRATION_PASS is counted only: there can be thousands a second. */
  readonly passes: { count: number; first: number } = { count: 0, first: 0 };
  greeting: QmpLine["QMP"];
  #stderr = "";
  #exit: string | number | undefined;
  #qmp: QmpSocket | undefined;
  readonly #process: ChildProcess;
  readonly #folder: string;

  private constructor(start: VmStart) {
    this.name = start.name;
    this.#folder = start.folder;
    this.#process = spawn(
      start.command,
      [
        ...start.arguments,
        "-D",
        this.#path("log"),
        "-qmp",
        `unix:${this.#path("qmp")},server=on,wait=off`,
      ],
      { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, ...start.environment } },
    );
    this.#process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrBytesMax);
    });
    this.#process.on("error", (error) => {
      this.#stderr += String(error);
      this.#exit = "not started";
    });
    this.#process.on("exit", (code, signal) => {
      this.#exit = signal ?? code ?? "unknown";
    });
  }

  /** Resolves when QMP is ready; when the process ends before that, `exit()` tells how and every command says `closed`. */
  static async start(start: VmStart): Promise<Vm> {
    const vm = new Vm(start);
    const deadline = performance.now() + startTimeoutMs;
    while (vm.#qmp === undefined && vm.#exit === undefined && performance.now() < deadline) {
      vm.#qmp = await QmpSocket.connect(vm.#path("qmp"), (event) => vm.#see(event)).catch(
        () => undefined,
      );
      if (vm.#qmp === undefined) await sleep(pollMs);
    }
    const negotiated = await vm.ask("qmp_capabilities", { enable: ["oob"] });
    if (negotiated !== "ok" && vm.#exit === undefined) {
      await vm.kill();
      throw new Error(`Failed to start ${vm.name}: ${JSON.stringify(negotiated)} ${vm.#stderr}`);
    }
    vm.greeting = vm.#qmp?.greeting;
    return vm;
  }

  /** The answer in one value: `ok` for `{}`, what was returned, `<class>: <text>` for an error, `no answer`, `closed`. */
  async ask(
    command: string,
    parameters?: Record<string, unknown>,
    options: { timeoutMs?: number; outOfBand?: boolean } = {},
  ): Promise<Json> {
    if (this.#qmp === undefined) return "closed";
    const { timeoutMs = answerTimeoutMs, outOfBand = false } = options;
    return inOneValue(await this.#qmp.ask(command, parameters, { timeoutMs, outOfBand }));
  }

  /** Sets capabilities in one command: on for a plain name, off for a name with `-` in front. */
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
    return String((answer as Record<string, Json>)["status"] ?? "none");
  }

  async runState(): Promise<Json> {
    const answer = await this.ask("query-status");
    return (answer as Record<string, Json>)["status"] ?? answer;
  }

  /** Waits for one of the migration statuses and returns it, or `still <status>`. */
  async until(statuses: string | string[], timeoutMs = 5_000): Promise<string> {
    const wanted = [statuses].flat();
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const status = await this.status();
      if (wanted.includes(status)) return status;
      if (status === "closed" || performance.now() > deadline) return `still ${status}`;
      await sleep(pollMs);
    }
  }

  async untilRunState(state: string, timeoutMs = 5_000): Promise<Json> {
    await this.waitFor(async () => (await this.runState()) === state, timeoutMs);
    return this.runState();
  }

  /** Waits for an event by its text (see SeenEvent); false when it did not come. */
  seen(text: string, timeoutMs = 5_000): Promise<boolean> {
    return this.waitFor(() => this.events.some((event) => event.text === text), timeoutMs);
  }

  /** The events so far, as texts. */
  story(): string[] {
    return this.events.map((event) => event.text);
  }

  /** How the process ended: its code, the name of the signal, or `running`. */
  async exit(timeoutMs = 5_000): Promise<string | number> {
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

  /** Ends the process the hard way, and waits until it is gone. */
  async kill(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.exit();
    this.#qmp?.close();
  }

  async waitFor(condition: () => boolean | Promise<boolean>, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!(await condition())) {
      if (performance.now() > deadline) return false;
      await sleep(pollMs);
    }
    return true;
  }

  #path(kind: string): string {
    return join(this.#folder, `${this.name}.${kind}`);
  }

  #see(line: QmpLine): void {
    const { event = "", data = {}, timestamp } = line;
    if (event === "MIGRATION_PASS") {
      this.passes.count += 1;
      if (this.passes.count === 1) this.passes.first = Number(data["pass"]);
      return;
    }
    const text = event === "MIGRATION" ? String(data["status"]) : event;
    const atMicroseconds = (timestamp?.seconds ?? 0) * 1e6 + (timestamp?.microseconds ?? 0);
    this.events.push({ text, atMicroseconds, data });
  }
}

function inOneValue(reply: QmpReply): Json {
  if (typeof reply === "string") return reply;
  if (reply.error !== undefined) return `${reply.error.class}: ${reply.error.desc}`;
  const value = reply.return as Json;
  const isEmpty = typeof value === "object" && value !== null && Object.keys(value).length === 0;
  return isEmpty && !Array.isArray(value) ? "ok" : value;
}
