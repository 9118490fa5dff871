import { createVirtualClock, type VirtualClock } from "./clock.ts";
import type { Knobs } from "./knobs.ts";
import { createModelQemu, type ModelQemu } from "./machine.ts";
import { fromText, type Json, type JsonObject, toText } from "./qmp/text.ts";
import { createVirtualNetwork, type VirtualNetwork } from "./stream/virtual-network.ts";

/** A model process on a virtual clock, with a QMP client that records everything. */
export type VirtualProcess = {
  readonly qemu: ModelQemu;
  /** All events, each with the clock's time at its arrival. */
  readonly events: Array<{
    event: string;
    data: JsonObject;
    arrivedMs: number;
    stampedMs: number;
  }>;
  readonly log: string[];
  readonly stderr: string[];
  /**
   * Sends a command and advances the clock until its answer.
   *
   * @throws Error with the text of a refusal
   */
  execute(command: string, given?: JsonObject): Json;
  /** As `execute`; undefined when there is no answer within `limitMs`. */
  tryExecute(command: string, given: JsonObject, limitMs: number, isOob?: boolean): Json;
  /** The last migration status that it emitted; empty when there was none. */
  status(): string;
  /** `STOP`, `MIGRATION:active`, ... in order; passes are left out. */
  story(): string[];
};

export type VirtualPair = {
  readonly clock: VirtualClock;
  readonly network: VirtualNetwork;
  readonly source: VirtualProcess;
  readonly target: VirtualProcess;
  /** Sets capabilities on both sides, opens the target, and starts the migration. */
  start(options?: StartOptions): void;
  /** Advances the clock until the source's migration has ended; returns its last status. */
  finish(limitMs?: number): string;
};

export type StartOptions = {
  readonly source?: readonly string[];
  readonly target?: readonly string[];
  readonly parameters?: JsonObject;
  readonly targetParameters?: JsonObject;
  readonly exitOnError?: boolean;
};

export type VirtualOptions = {
  readonly knobs?: Partial<Knobs>;
  readonly targetKnobs?: Partial<Knobs>;
  /** For both processes. */
  readonly arguments?: readonly string[];
  readonly sourceArguments?: readonly string[];
  readonly targetArguments?: readonly string[];
};

const over = ["completed", "failed", "cancelled"];

/** Two model processes that can migrate to one another: on a clock of their own, in memory. */
export function createVirtualPair(options: VirtualOptions = {}): VirtualPair {
  const clock = createVirtualClock();
  const network = createVirtualNetwork(clock);
  const { arguments: shared = [], sourceArguments = [], targetArguments = [] } = options;
  const create = (words: readonly string[], knobs: Partial<Knobs>): VirtualProcess =>
    createProcess(clock, network, [...shared, ...words], knobs);
  const { knobs = {}, targetKnobs = {} } = options;
  const source = create(sourceArguments, knobs);
  const target = create(["-incoming", "defer", ...targetArguments], { ...knobs, ...targetKnobs });
  return {
    clock,
    network,
    source,
    target,
    start(start = {}) {
      const usual = ["events", "return-path"];
      setCapabilities(target, start.target ?? usual);
      setCapabilities(source, start.source ?? usual);
      target.execute("migrate-set-parameters", start.targetParameters ?? {});
      source.execute("migrate-set-parameters", start.parameters ?? {});
      target.execute("migrate-incoming", {
        uri: "tcp:target:0",
        ...(start.exitOnError === undefined ? {} : { "exit-on-error": start.exitOnError }),
      });
      const info = target.execute("query-migrate") as { "socket-address": [{ port: string }] };
      source.execute("migrate", { uri: `tcp:target:${info["socket-address"][0].port}` });
    },
    finish(limitMs = 600_000) {
      clock.runUntil(() => over.includes(source.status()), limitMs);
      return source.status();
    },
  };
}

/** Switches these on and leaves the others unchanged. */
export function setCapabilities(process: VirtualProcess, names: readonly string[]): void {
  const capabilities = names.map((capability) => ({ capability, state: true }));
  process.execute("migrate-set-capabilities", { capabilities });
}

function createProcess(
  clock: VirtualClock,
  network: VirtualNetwork,
  words: readonly string[],
  knobs: Partial<Knobs>,
): VirtualProcess {
  const log: string[] = [];
  const stderr: string[] = [];
  const events: VirtualProcess["events"] = [];
  const answers = new Map<number, JsonObject>();
  let nextId = 1;
  let status = "";
  const qemu = createModelQemu({
    arguments: words,
    knobs,
    clock,
    network,
    host: {
      onLog: (line) => log.push(line),
      onStderr: (line) => stderr.push(line),
      // A key of the default user; each folder has another one.
      readFile: (path) => (path.startsWith("/missing") ? undefined : `qemu:${path}`),
    },
  });
  const startMs = clock.epochMs() - clock.nowMs();
  const connection = qemu.connect({
    send(text) {
      const message = fromText(text) as JsonObject;
      if (typeof message.id === "number") answers.set(message.id, message);
      else if (typeof message.event === "string") {
        const data = (message.data ?? {}) as JsonObject;
        if (message.event === "MIGRATION") status = String(data.status);
        const stampedMs = readStampMs(message) - startMs;
        events.push({ event: message.event, data, arrivedMs: clock.nowMs(), stampedMs });
      }
    },
    close: () => {},
  });
  const tryExecute: VirtualProcess["tryExecute"] = (command, given, limitMs, isOob = false) => {
    const id = nextId++;
    const name = isOob ? "exec-oob" : "execute";
    connection.receive(toText({ [name]: command, arguments: given, id }));
    clock.runUntil(() => answers.has(id), limitMs);
    const answer = answers.get(id);
    answers.delete(id);
    if (answer && "error" in answer) throw new Error((answer.error as { desc: string }).desc);
    return answer?.return;
  };
  tryExecute("qmp_capabilities", { enable: ["oob"] }, 1000);
  return {
    qemu,
    events,
    log,
    stderr,
    tryExecute,
    status: () => status,
    execute(command, given = {}) {
      const result = tryExecute(command, given, 60_000);
      if (result === undefined) throw new Error(`Expected an answer to ${command}`);
      return result;
    },
    story: () =>
      events
        .filter(({ event }) => event !== "MIGRATION_PASS")
        .map(({ event, data }) => (event === "MIGRATION" ? String(data.status) : event)),
  };
}

function readStampMs({ timestamp }: JsonObject): number {
  const { seconds, microseconds } = timestamp as { seconds: number; microseconds: number };
  return seconds * 1000 + microseconds / 1000;
}
