import { Fleet } from "../../rig/fleet.ts";
import { bootL1, type L1, type L1Options } from "./l1.ts";

const RELAY = "/project/test/machine/inside/relay.ts";

/** What agents need of the environment of the control plane. */
const AGENT_VARIABLES = ["AWS_ENDPOINT_URL_SQS", "AWS_REGION"];

export type ConnectedOptions = L1Options & {
  /** The relay inside is killed after this. */
  lifeMs: number;
};

/** An emulated machine, and a control plane outside that has the same addresses inside. */
export class ConnectedMachine {
  readonly l1: L1;
  readonly cloud: Fleet;

  private constructor(l1: L1, cloud: Fleet) {
    this.l1 = l1;
    this.cloud = cloud;
  }

  /** @throws Error naming what did not come up; nothing is left then */
  static async start({ lifeMs, ...options }: ConnectedOptions): Promise<ConnectedMachine> {
    const cloud = await Fleet.start({ hosts: {} });
    let l1: L1 | undefined;
    try {
      l1 = await bootL1(options);
      const machine = new ConnectedMachine(l1, cloud);
      await machine.#startRelay(lifeMs);
      return machine;
    } catch (error) {
      await stopBoth(l1, cloud);
      throw error;
    }
  }

  get agentEnvironment(): Record<string, string> {
    const { environment } = this.cloud;
    return Object.fromEntries(AGENT_VARIABLES.map((name) => [name, environment[name] ?? ""]));
  }

  /** May be called again. */
  stop(): Promise<void> {
    return stopBoth(this.l1, this.cloud);
  }

  async #startRelay(lifeMs: number): Promise<void> {
    const urls = [this.cloud.api.url, this.cloud.environment.AWS_ENDPOINT_URL_SQS ?? ""];
    const ports = urls.map((url) => new URL(url).port);
    const ready = Promise.withResolvers<void>();
    const relay = await this.l1.spawn(["node", RELAY, ...ports], {
      deadlineMs: lifeMs,
      onOutput: (text) => text.includes("ready") && ready.resolve(),
    });
    const ended = () => ready.reject(new Error(`The relay inside ended: ${relay.stderr()}`));
    void relay.exited.then(ended, ended);
    await ready.promise;
  }
}

async function stopBoth(l1: L1 | undefined, cloud: Fleet): Promise<void> {
  try {
    await l1?.stop();
  } finally {
    await cloud.stop();
  }
}
