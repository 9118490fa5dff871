import type { Client } from "../../client/client.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { ConnectedMachine } from "../machine/connected-machine.ts";
import type { MachineRig } from "./rig/rig.ts";

const LIFE_MS = 3_600_000;
/** On a machine that is busy with other work, emulation is ten times as slow. */
const COMMAND_MS = 240_000;
const BOOT_MS = 300_000;
const WAIT_MS = 240_000;
const EVERY_MS = 250;

export const HOST = "host-a";
/** Of the person at its keyboard. */
export const FOLDER = "/srv";
const AGENT_UNIT = "switchyard-agent.service";

/** One line of `systemctl show`, by its name. */
export type UnitFacts = Readonly<Record<string, string>>;

/** An emulated machine with Debian and systemd, and a control plane outside that it reaches. */
export class Machine {
  readonly #machine: ConnectedMachine;

  private constructor(machine: ConnectedMachine) {
    this.#machine = machine;
  }

  static async start(rig: MachineRig, print: (line: string) => void): Promise<Machine> {
    const drive = `file=${rig.disk},if=virtio,format=raw,snapshot=on`;
    const devices = ["-drive", drive];
    const options = { rig, devices, bootDeadlineMs: BOOT_MS, lifeMs: LIFE_MS };
    const machine = await ConnectedMachine.start(options);
    print(`the machine is up after ${Math.round(machine.l1.bootMs)} ms`);
    return new Machine(machine);
  }

  get api(): Client {
    return this.#machine.cloud.api;
  }

  /** What the file agent.env holds. */
  get agentEnvironment(): string {
    const variables = Object.entries(this.#machine.agentEnvironment);
    return variables.map(([name, value]) => `${name}=${value}\n`).join("");
  }

  /** Runs a line of shell. @throws Error when it fails */
  async shell(script: string): Promise<string> {
    const { exitCode, stdout, stderr } = await this.attempt(script);
    if (exitCode === 0) return stdout;
    throw new Error(`Failed to run "${script}" (${exitCode}): ${stderr}${stdout}`);
  }

  attempt(script: string) {
    const options = { deadlineMs: COMMAND_MS, cwd: FOLDER };
    return this.#machine.l1.run(["sh", "-c", script], options);
  }

  write(path: string, text: string): Promise<void> {
    return this.#machine.l1.writeFile(path, text);
  }

  async show(unit: string): Promise<UnitFacts> {
    const lines = (await this.shell(`systemctl show ${unit}`)).split("\n");
    return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2)));
  }

  agent(): Promise<UnitFacts> {
    return this.show(AGENT_UNIT);
  }

  /** The unit of a VM's guest; undefined where there is none, or more than one. */
  async guestUnit(vm: string): Promise<UnitFacts | undefined> {
    const list = `systemctl list-units --plain --no-legend --all 'switchyard-guest-${vm}-*.service'`;
    const names = (await this.shell(list)).split("\n").flatMap((line) => line.split(" ")[0] || []);
    const [name] = names;
    return name !== undefined && names.length === 1 ? await this.show(name) : undefined;
  }

  /** The agent of this version is heard. */
  async active(version: string): Promise<void> {
    await this.until(`the agent ${version}`, async () => {
      const { state, facts } = await this.api.getHost(HOST);
      return state === "active" && facts?.agentVersion === version;
    });
  }

  async vmState(vm: string, wanted: string): Promise<void> {
    await this.until(`${vm} to be ${wanted}`, async () => {
      const { state, detail } = await this.api.getVm(vm);
      if (state === "failed" && wanted !== "failed") throw new Error(`${vm} failed: ${detail}`);
      return state === wanted;
    });
  }

  async runState(vm: string, wanted: string): Promise<void> {
    await this.until(`${vm} to be ${wanted}`, async () => {
      return (await this.api.getVm(vm)).runState === wanted;
    });
  }

  async until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const check = async () => ((await holds()) ? true : undefined);
    try {
      await waitUntil(what, check, { timeoutMs: WAIT_MS, everyMs: EVERY_MS });
    } catch (cause) {
      const { stdout } = await this.attempt(`journalctl --no-pager -n 30 -u ${AGENT_UNIT}`);
      throw new Error(`${String(cause)}; the agent's journal ends:\n${stdout}`, { cause });
    }
  }

  stop(): Promise<void> {
    return this.#machine.stop();
  }
}
