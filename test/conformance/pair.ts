import type { Expect, Json } from "./expectation.ts";
import type { Relay } from "./relay.ts";
import type { Vm, VmOptions } from "./vm.ts";

export type PairOptions = VmOptions & {
  source?: VmOptions;
  target?: VmOptions;
  /** Capability `events` on both; default true. */
  events?: boolean;
  /** Capabilities on both, on the source, on the target. */
  capabilities?: string[];
  sourceCapabilities?: string[];
  targetCapabilities?: string[];
  /** Parameters of the source, of the target. */
  parameters?: Record<string, unknown>;
  targetParameters?: Record<string, unknown>;
  /** The target process keeps running after a failure (QEMU 9.1+). */
  stayOnError?: boolean;
};

/** Keeps the source of a filled guest in `active` for minutes. */
export const slow = { "max-bandwidth": 100_000 };

/** A source and the target it can migrate to. */
export class Pair {
  readonly source: Vm;
  readonly target: Vm;
  /** Address to which the source migrates; a dialogue with a relay changes it. */
  uri = "";

  constructor(source: Vm, target: Vm) {
    this.source = source;
    this.target = target;
  }

  get port(): number {
    return Number(this.uri.split(":").at(-1));
  }

  /**
   * Configures both sides, target first, and opens the target's port. Each refusal is recorded as a
   * failed step.
   */
  async prepare(expect: Expect, options: PairOptions): Promise<void> {
    const {
      events = true,
      capabilities = [],
      sourceCapabilities = [],
      targetCapabilities = [],
    } = options;
    const always = events ? ["events", ...capabilities] : capabilities;
    const must = async (step: string, answer: Promise<Json>) => {
      const value = await answer;
      if (value !== "ok") await expect(step, value, "ok");
    };
    await must("target capabilities", this.target.set(...always, ...targetCapabilities));
    await must("source capabilities", this.source.set(...always, ...sourceCapabilities));
    if (options.parameters) await must("source parameters", this.source.tune(options.parameters));
    if (options.targetParameters) {
      await must("target parameters", this.target.tune(options.targetParameters));
    }
    const exit = options.stayOnError ? { "exit-on-error": false } : {};
    const uri = "tcp:127.0.0.1:0";
    await must("migrate-incoming", this.target.ask("migrate-incoming", { uri, ...exit }));
    this.uri = `tcp:127.0.0.1:${await listeningPort(this.target)}`;
  }

  through(relay: Relay): void {
    this.uri = relay.uri;
  }

  migrate(more: Record<string, unknown> = {}): Promise<Json> {
    return this.source.ask("migrate", { uri: this.uri, ...more });
  }

  /**
   * Order of the given events of both sides, by QEMU's own clock: `source STOP`, `target RESUME`,
   * ...
   */
  order(...texts: string[]): string[] {
    return [this.source, this.target]
      .flatMap((vm) => vm.events.map((event) => ({ ...event, text: `${vm.name} ${event.text}` })))
      .sort((left, right) => left.atMs - right.atMs)
      .map((event) => event.text)
      .filter((text) => texts.includes(text));
  }
}

async function listeningPort(target: Vm): Promise<string> {
  const migration = await target.migration();
  const [address] = (migration["socket-address"] ?? []) as { port?: string }[];
  return address?.port ?? "0";
}
