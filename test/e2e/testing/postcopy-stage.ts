import { expect } from "vitest";
import type { Migration } from "../../../core/migration/migration.ts";
import type { Command, Verb } from "../../../core/protocol/command.ts";
import { freeBasePort } from "../../../rig/free-ports.ts";
import { waitForCounter } from "../../../rig/guest/serial.ts";
import { StreamRelay } from "../../agent/testing/stream-relay.ts";
import { FaultyProxy, proxyEnvironment } from "../../faults/proxy.ts";
import { PATIENCE_MS, Stage } from "./stage.ts";

const MIB = 2 ** 20;
/** Up to five attempts, ten seconds apart, each some seconds long. */
export const POSTCOPY_MS = 240_000;

/** The guest dirties four times what the link can send: precopy never converges. */
const load = { dirtyBytesPerSecond: 32 * MIB, workingSetBytes: 8 * MIB };
/** The counter's ticks (10 ms) in which the guest visits each page of its working set twice. */
const TWO_LAPS = 60;
const policy = {
  // The ladder has no rung between this limit and postcopy; test/agent/ladder.test.ts climbs
  // others.
  downtimeLimitMs: 200,
  convergence: {
    ladder: "post-copy" as const,
    // Two passes without much progress are a stall: the figures of a busy machine vary.
    stall: { windowMs: 1_000, marginPercent: 50, smoothing: 1, silenceMs: 60_000 },
  },
  capabilities: { "auto-converge": "forbid" as const },
  // Two seconds and more of postcopy: long enough to break the connection in the middle.
  parameters: { "max-bandwidth": 8 * MIB, "max-postcopy-bandwidth": 3 * MIB },
  switchoverBandwidthBytesPerSecond: 4 * MIB,
};

/** Moves guests by postcopy over a stream that can be cut, on a fleet behind a proxy. */
export class PostcopyStage {
  readonly stage: Stage;
  /** The verbs of the commands that the agents got, in order. */
  verbs: Verb[] = [];
  /** Where the source is sent to recover; undefined: to the target. */
  recoveryUri: string | undefined;
  vm = "";
  readonly #proxy: FaultyProxy;
  #guests = 0;
  #relays: StreamRelay[] = [];
  readonly #commands = new Map<string, Promise<Command>>();

  private constructor(stage: Stage, proxy: FaultyProxy) {
    this.stage = stage;
    this.#proxy = proxy;
  }

  static async start(): Promise<PostcopyStage> {
    const port = await freeBasePort();
    // `npm run test:engines` names queues of others.
    const { AWS_ENDPOINT_URL_SQS: outside } = process.env;
    const sqsPort = outside === undefined ? port + 1 : Number(new URL(outside).port);
    const proxy = await FaultyProxy.start({ apiPort: port, sqsPort });
    try {
      const stage = await Stage.start({
        port,
        agent: { apiUrl: proxy.url },
        environment: proxyEnvironment,
        agentEnvironment: { AWS_ENDPOINT_URL_SQS: proxy.url },
      });
      return new PostcopyStage(stage, proxy);
    } catch (error) {
      proxy.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.stage.close();
    this.#proxy.close();
  }

  /** Starts to move a busy guest; the stream is cut `cuts` times, each time postcopy goes on. */
  async begin(cuts: number): Promise<string> {
    this.verbs = [];
    this.#commands.clear();
    this.recoveryUri = undefined;
    this.#guests += 1;
    this.vm = `busy-${this.#guests}`;
    this.#cutInPostcopy(cuts);
    await this.stage.guest(this.vm, "host-a", "pc", 32, load);
    const { id } = await this.stage.api.createMigration({ vm: this.vm, target: "host-b", policy });
    return id;
  }

  ends(id: string): Promise<Migration> {
    // Ends before the test's own timeout does, since this failure shows the migration's record.
    return this.stage.fleet.waitForMigration(id, { timeoutMs: POSTCOPY_MS - 30_000 });
  }

  /** Ends the guest, wherever it is. */
  async clear(): Promise<void> {
    for (const relay of this.#relays) relay.close();
    this.#relays = [];
    await this.stage.api.deleteVm(this.vm, { mode: "quit" }).catch(() => undefined);
  }

  /** Every page came: the guest checks each page before it writes to it again. */
  async expectWhole(): Promise<void> {
    const path = this.stage.fleet.serialLog("host-b", this.vm);
    const within = { timeoutMs: PATIENCE_MS };
    const first = await waitForCounter(path, () => true, within);
    const goal = first.counter + TWO_LAPS;
    const last = await waitForCounter(path, ({ counter }) => counter > goal, within);
    expect(last.errors).toBe(0);
    await this.stage.runsOnlyOn(this.vm, "host-b");
  }

  #cutInPostcopy(cuts: number): void {
    let left = cuts;
    const cut = () => {
      if (left <= 0) return;
      left -= 1;
      this.#relays.at(-1)?.cut();
    };
    this.#proxy.hooks = {
      onCommand: (command) => this.#onCommand(command),
      onEvent: async (body) => {
        if (body.type === "migration.target-arrived") cut();
        const isRecovered =
          body.type === "command.completed" && body.commandId.includes(".recover-source.");
        if (isRecovered) cut();
      },
    };
  }

  /** The queue delivers a command again while it is carried out: it counts once, and has one relay. */
  #onCommand(command: Command): Promise<Command> {
    const known = this.#commands.get(command.id);
    if (known !== undefined) return known;
    this.verbs.push(command.verb);
    const relayed = this.#throughRelay(command);
    this.#commands.set(command.id, relayed);
    return relayed;
  }

  async #throughRelay(command: Command): Promise<Command> {
    const { verb } = command;
    if (verb !== "source.start" && verb !== "source.recover") return command;
    const args = command.args as { migrationUri: string | null };
    if (args.migrationUri === null) return command;
    if (verb === "source.recover" && this.recoveryUri !== undefined) {
      return { ...command, args: { ...args, migrationUri: this.recoveryUri } };
    }
    const relay = await StreamRelay.start(args.migrationUri);
    this.#relays.push(relay);
    return { ...command, args: { ...args, migrationUri: relay.uri } };
  }
}
