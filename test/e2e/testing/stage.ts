import { join } from "node:path";
import {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  ListExecutionsCommand,
  SFNClient,
} from "@aws-sdk/client-sfn";
import { expect } from "vitest";
import type { Migration, Phase } from "../../../core/migration/migration.ts";
import { isFinal } from "../../../core/migration/migration.ts";
import { VmDefinition } from "../../../core/vm.ts";
import { findQemu } from "../../../qmp/testing/real-qemu.ts";
import { Fleet, type FleetOptions } from "../../../rig/fleet.ts";
import { freeBasePort } from "../../../rig/free-ports.ts";
import { bootDiskDefinition, writeBootDisk } from "../../../rig/guest/boot-disk.ts";
import type { GuestLoad } from "../../../rig/guest/boot-sector.ts";
import { readCounter, waitForCounter } from "../../../rig/guest/serial.ts";
import { waitUntil } from "../../../rig/wait-until.ts";

const MIB = 2 ** 20;
/** The default load of a guest, beside counting. */
const LOAD: GuestLoad = { dirtyBytesPerSecond: 4 * MIB, workingSetBytes: 4 * MIB };
/** For busy machines: on others nothing takes nearly as long. */
export const PATIENCE_MS = 90_000;

export const qemu = findQemu();
/** For titles: why a suite was skipped. */
export const unlessQemu = qemu === undefined ? " (skipped: no QEMU)" : "";

/**
 * Some five seconds of precopy: long enough to break things in the middle of it. QEMU stops the
 * guest when 8 MB are left (limit times bandwidth): more than the guest dirties in a pass, less
 * than its memory. The downtime is short all the same, since QEMU then sends at full speed.
 */
export const slowly = {
  parameters: { "max-bandwidth": MIB },
  downtimeLimitMs: 20_000,
  switchoverBandwidthBytesPerSecond: 400_000,
};
/** A precopy that does not end by itself. */
export const endlessly = {
  parameters: { "max-bandwidth": 100_000 },
  switchoverBandwidthBytesPerSecond: 100_000,
};

/** The project's promise for every outcome of a migration. */
export const TRANSITIONS_MAX = 20;

export type StageOptions = Partial<FleetOptions> & {
  /** Takes fixed ports, so that the cloud can be started again on the same ones. */
  restartable?: boolean;
};

/** A fleet with helpers for end-to-end tests. Close it in `afterAll`. */
export class Stage {
  readonly fleet: Fleet;

  private constructor(fleet: Fleet) {
    this.fleet = fleet;
  }

  static async start({ restartable, ...options }: StageOptions = {}): Promise<Stage> {
    const binary = qemu ?? "qemu-system-x86_64";
    const fleet = await Fleet.start({
      hosts: { "host-a": binary, "host-b": binary },
      ...(restartable ? { port: await freeBasePort() } : {}),
      ...options,
      agent: { progressIntervalMs: 200, ...options.agent },
    });
    return new Stage(fleet);
  }

  get api() {
    return this.fleet.api;
  }

  close(): Promise<void> {
    return this.fleet.stop();
  }

  /** Starts a guest that counts, and waits until it has dirtied its whole working set. */
  async guest(
    vm: string,
    host = "host-a",
    machine = "pc",
    memoryMib = 48,
    load = LOAD,
  ): Promise<void> {
    await this.fleet.startVm(vm, host, await this.definition(machine, memoryMib, load));
    const path = this.fleet.serialLog(host, vm);
    await waitForCounter(path, ({ counter }) => counter > 120, { timeoutMs: PATIENCE_MS });
  }

  async definition(machine = "pc", memoryMib = 48, load = LOAD): Promise<VmDefinition> {
    const disk = join(this.fleet.folder, "boot.img");
    await writeBootDisk(disk, load);
    const memoryBytes = memoryMib * MIB;
    return VmDefinition.parse({ machine, memoryBytes, ...bootDiskDefinition(disk) });
  }

  /** Waits until the guest on this host has counted on, with its memory whole. */
  async counts(vm: string, host: string): Promise<void> {
    const path = this.fleet.serialLog(host, vm);
    const before = (await readCounter(path))?.counter ?? 0;
    const more = await waitForCounter(path, ({ counter }) => counter > before + 20, {
      timeoutMs: PATIENCE_MS,
    });
    expect(more.errors).toBe(0);
  }

  /** Waits until the guest has no process on this host. */
  async hasExited(vm: string, host: string): Promise<void> {
    await waitUntil(
      `the exit of ${vm} on ${host}`,
      () => (this.fleet.guestPid(host, vm) === undefined ? true : undefined),
      { timeoutMs: PATIENCE_MS },
    );
  }

  /** The guest runs on this host alone, and the record of the VM agrees. */
  async runsOnlyOn(vm: string, host: string): Promise<void> {
    await this.counts(vm, host);
    const other = host === "host-a" ? "host-b" : "host-a";
    await this.hasExited(vm, other);
    expect(await this.api.getVm(vm)).toMatchObject({ host, state: "running" });
    expect(await this.api.getVm(vm)).not.toHaveProperty("lockedBy");
  }

  killGuest(vm: string, host: string): void {
    const pid = this.fleet.guestPid(host, vm);
    if (pid === undefined) throw new Error(`Expected ${vm} to have a process on ${host}`);
    process.kill(pid, "SIGKILL");
  }

  async reaches(id: string, phase: Phase): Promise<Migration> {
    // Some phases are over in a few milliseconds.
    const isReached = ({ phases }: Migration) => phases.some(({ name }) => name === phase);
    return this.#until(id, phase, isReached, 10);
  }

  /** Waits for the middle of precopy: memory has been sent, and the guest runs on the source. */
  async isInPrecopy(id: string): Promise<Migration> {
    return this.#until(id, "precopy", ({ progress }) => (progress?.ramTransferredBytes ?? 0) > 0);
  }

  /** Waits until it is prepared, and waits for its slots. */
  async isQueued(id: string): Promise<Migration> {
    return this.#until(id, "prepare", ({ queue }) => queue !== undefined);
  }

  async ends(id: string): Promise<Migration> {
    return this.fleet.waitForMigration(id, { timeoutMs: PATIENCE_MS });
  }

  /** Moves a guest to the end; fails unless it completed. */
  async move(vm: string, target: string, policy = {}): Promise<Migration> {
    const { id } = await this.api.createMigration({ vm, target, policy });
    const ended = await this.ends(id);
    expect(ended.failure).toBeUndefined();
    expect(ended).toMatchObject({ status: "completed", runningOn: target });
    return ended;
  }

  async restartCloud(): Promise<void> {
    this.fleet.cloud.kill("SIGKILL");
    await this.fleet.cloud.exited;
    await this.fleet.startCloud();
  }

  async restartAgent(host: string): Promise<void> {
    const agent = this.fleet.agent(host);
    agent.kill("SIGKILL");
    await agent.exited;
    this.fleet.startAgent(host);
  }

  /** The names of the states that the execution entered, once it has ended. */
  async states({ executionArn = "" }: Migration): Promise<string[]> {
    return this.#withSfn(async (sfn) => {
      await waitUntil(
        `the end of ${executionArn}`,
        async () => {
          const { status } = await sfn.send(new DescribeExecutionCommand({ executionArn }));
          return status === "RUNNING" ? undefined : status;
        },
        { timeoutMs: PATIENCE_MS },
      );
      const history = await sfn.send(
        new GetExecutionHistoryCommand({ executionArn, maxResults: 1000 }),
      );
      return (history.events ?? []).flatMap(({ stateEnteredEventDetails }) =>
        stateEnteredEventDetails?.name === undefined ? [] : [stateEnteredEventDetails.name],
      );
    });
  }

  /** One execution, each state entered once, none of the way back. */
  async wentStraight(migration: Migration): Promise<void> {
    const states = await this.states(migration);
    expect(states).toEqual([...new Set(states)]);
    expect(states.at(-1)).toBe("Completed");
    expect(states).not.toContain("Reconcile");
    expect(states.length).toBeLessThanOrEqual(TRANSITIONS_MAX);
    const executions = await this.executions(migration);
    expect(executions.filter((name) => name === migration.id)).toHaveLength(1);
  }

  /** Names of all executions of the state machine of this one. */
  async executions({ executionArn = "" }: Migration): Promise<string[]> {
    return this.#withSfn(async (sfn) => {
      const { stateMachineArn } = await sfn.send(new DescribeExecutionCommand({ executionArn }));
      const { executions } = await sfn.send(new ListExecutionsCommand({ stateMachineArn }));
      return (executions ?? []).map(({ name }) => name ?? "");
    });
  }

  async #withSfn<T>(work: (sfn: SFNClient) => Promise<T>): Promise<T> {
    const { environment } = this.fleet;
    const sfn = new SFNClient({
      region: environment.AWS_REGION ?? "",
      endpoint: environment.AWS_ENDPOINT_URL_SFN ?? "",
      credentials: {
        accessKeyId: environment.AWS_ACCESS_KEY_ID ?? "",
        secretAccessKey: environment.AWS_SECRET_ACCESS_KEY ?? "",
      },
    });
    try {
      return await work(sfn);
    } finally {
      sfn.destroy();
    }
  }

  async #until(
    id: string,
    phase: Phase,
    test: (migration: Migration) => boolean,
    everyMs?: number,
  ): Promise<Migration> {
    return waitUntil(
      `${id} to be in ${phase}`,
      async () => {
        const migration = await this.api.getMigration(id);
        if (test(migration)) return migration;
        if (!isFinal(migration.status)) return undefined;
        throw new Error(`Ended before ${phase}: ${JSON.stringify(migration.failure)}`);
      },
      { timeoutMs: PATIENCE_MS, ...(everyMs === undefined ? {} : { everyMs }) },
    );
  }
}
