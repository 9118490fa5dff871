import { afterAll, beforeAll, beforeEach } from "vitest";
import type { Migration } from "../../../core/migration/migration.ts";
import { handler as admit } from "../../../functions/task/admit.ts";
import { startTestCloud, type TestCloud } from "./cloud.ts";
import { definition } from "./fixtures.ts";
import { addHost, addMigration, addVm, operate, type TestAgent } from "./fleet.ts";

/** Of each guest. */
export const MEMORY_BYTES = 2 ** 20;

/** A cloud with two hosts, and a VM of its own on the first one for each test. */
export class TwoHosts {
  vm = "";
  #count = 0;
  #cloud: TestCloud | undefined;
  #source: TestAgent | undefined;
  #target: TestAgent | undefined;

  get cloud(): TestCloud {
    return known(this.#cloud);
  }

  get source(): TestAgent {
    return known(this.#source);
  }

  get target(): TestAgent {
    return known(this.#target);
  }

  /** Registers the hooks of a test file. */
  static forEachTest(): TwoHosts {
    const hosts = new TwoHosts();
    beforeAll(() => hosts.#start());
    beforeEach(() => hosts.#next());
    afterAll(() => hosts.cloud.close());
    return hosts;
  }

  async #start(): Promise<void> {
    this.#cloud = await startTestCloud();
    this.#source = await addHost("host-a", { slotsOut: 64, slotsIn: 64 });
    this.#target = await addHost("host-b", { slotsOut: 64, slotsIn: 64 });
  }

  async #next(): Promise<void> {
    this.#count += 1;
    this.vm = `vm-${this.#count}`;
    await addVm(this.vm, this.source, { ...definition, memoryBytes: MEMORY_BYTES });
  }

  /** A migration that holds the VM and its slots. */
  async move(): Promise<Migration> {
    const made = await addMigration(this.vm, "host-b");
    await admit({ migrationId: made.id });
    return made;
  }

  async vmNow() {
    return (await operate("GET", `/v1/vms/${this.vm}`)).body;
  }
}

export const recordOf = async (id: string) =>
  (await operate("GET", `/v1/migrations/${id}`)).body as Migration;

function known<T>(value: T | undefined): T {
  if (value !== undefined) return value;
  throw new Error("Expected the hosts to be added by now");
}
