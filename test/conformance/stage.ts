import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeExpected, type Expected, isAsExpected, type Json } from "./expectation.ts";
import { type Generation, pick } from "./generation.ts";
import { guestImage } from "./guest.ts";
import { Pair, type PairOptions } from "./pair.ts";
import { Relay, type Verdict } from "./relay.ts";
import { connectStranger, type Stranger } from "./stranger.ts";
import type { Subject } from "./subject.ts";
import { Vm, type VmOptions } from "./vm.ts";

export type Step = { step: string; actual: Json; expected: string; ok: boolean };

const MEBIBYTE = 1024 * 1024;

/** Starts the QEMUs of a dialogue, records each step, and removes everything at the end. */
export class Stage {
  readonly steps: Step[] = [];
  readonly generation: Generation;
  /** Generation of the targets; differs from the sources' only in moves between versions. */
  readonly targetGeneration: Generation;
  readonly #subject: Subject;
  readonly #target: Subject;
  readonly #folder: string;
  readonly #vms: Promise<Vm>[] = [];
  readonly #relays: Relay[] = [];
  readonly #strangers: Stranger[] = [];
  #closed = false;

  private constructor(subject: Subject, target: Subject, folder: string) {
    this.#subject = subject;
    this.#target = target;
    this.generation = subject.generation;
    this.targetGeneration = target.generation;
    this.#folder = folder;
  }

  static async open(subject: Subject, target = subject): Promise<Stage> {
    return new Stage(subject, target, await mkdtemp(join(tmpdir(), "conformance-")));
  }

  /** Records a step, and returns the actual value. */
  async expect(step: string, actual: Json | Promise<Json>, expected: Expected): Promise<Json> {
    const value = await actual;
    if (!this.#closed) {
      const ok = isAsExpected(value, expected);
      this.steps.push({ step, actual: value, expected: describeExpected(expected), ok });
    }
    return value;
  }

  /** The value for this QEMU's generation: that of the newest listed one that is not newer. */
  pick<T>(values: { "7.2": T } & Partial<Record<Generation, T>>): T {
    return pick(this.generation, values);
  }

  async vm(name: string, options: VmOptions = {}): Promise<Vm> {
    if (this.#closed) throw new Error(`Failed to start ${name}: the dialogue is over`);
    const { guest = "idle", memoryMebibytes = 32, machine = "pc" } = options;
    const image = join(this.#folder, `${name}.bin`);
    const memoryBytes = memoryMebibytes * MEBIBYTE;
    await writeFile(image, guestImage(guest, memoryBytes));
    const flags = ["-no-user-config", "-nodefaults", "-display", "none", "-accel", "tcg"];
    flags.push("-machine", machine, "-m", String(memoryMebibytes), "-bios", image);
    if (options.incoming) flags.push("-incoming", "defer");
    if (options.paused) flags.push("-S");
    flags.push(...(options.more ?? []));
    const folder = await mkdtemp(join(this.#folder, "vm-"));
    const { command, environment, kind } = options.incoming ? this.#target : this.#subject;
    const control = kind === "model" ? join(folder, "control") : undefined;
    if (control !== undefined) flags.push("-global", `model.control=${control}`);
    const start = {
      name,
      folder,
      command,
      arguments: flags,
      environment: environment(guest, memoryBytes),
      control,
    };
    const starting = Vm.start(start);
    this.#vms.push(starting);
    const vm = await starting;
    const writes = guest !== "idle" && !options.incoming && !options.paused;
    if (writes && kind === "qemu") await untilWritten(vm, memoryBytes);
    return vm;
  }

  /** A source and a listening target, configured; the migration is not started. */
  async pair(options: PairOptions = {}): Promise<Pair> {
    const { source, target, ...both } = options;
    const [left, right] = await Promise.all([
      this.vm("source", { ...both, ...source }),
      this.vm("target", { ...both, incoming: true, ...target }),
    ]);
    const pair = new Pair(left, right);
    await pair.prepare(this.expect.bind(this), options);
    return pair;
  }

  /** A peer that connects to `port` and sends nothing. */
  async stranger(port: number): Promise<Stranger> {
    const stranger = await connectStranger(port);
    this.#strangers.push(stranger);
    return stranger;
  }

  /** A new folder with these files in it. */
  async files(contents: Record<string, string>): Promise<string> {
    const folder = await mkdtemp(join(this.#folder, "files-"));
    for (const [name, text] of Object.entries(contents)) await writeFile(join(folder, name), text);
    return folder;
  }

  async relay(port: number, judge?: (type: number) => Verdict): Promise<Relay> {
    const relay = await Relay.start(port, judge);
    this.#relays.push(relay);
    return relay;
  }

  /** May be called again. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const relay of this.#relays) relay.close();
    for (const stranger of this.#strangers) stranger.disconnect();
    const started = await Promise.allSettled(this.#vms);
    await Promise.all(started.map((vm) => vm.status === "fulfilled" && vm.value.kill()));
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/**
 * Waits until the guest has written its last page. A model runs no guest code and has its pages
 * from the start.
 */
async function untilWritten(vm: Vm, memoryBytes: number): Promise<void> {
  const lastPage = `xp /1wx 0x${(memoryBytes - 4096).toString(16)}`;
  const isWritten = async () => {
    const text = await vm.ask("human-monitor-command", { "command-line": lastPage });
    return text === "closed" || !/: 0x0+\s*$/.test(String(text));
  };
  if (!(await vm.waitFor(isWritten))) {
    throw new Error(`Failed to see the guest of ${vm.name} write its memory`);
  }
}
