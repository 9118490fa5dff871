import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { VmId } from "../../../core/id.ts";
import { VmDefinition } from "../../../core/vm.ts";
import { FakeQmpServer } from "../../../qmp/testing/fake-server.ts";
import type { FakeCommand } from "../../../qmp/testing/fake-session.ts";
import { identify } from "../../runtime/process.ts";
import { quietLog } from "../../runtime/testing/quiet-log.ts";
import { testFolder } from "../../testing/folder.ts";
import { Guests } from "../guests.ts";
import { type Manifest, writeManifest } from "../manifest.ts";
import type { ExitCauses } from "../run-state.ts";

export const VM = VmId.parse("vm1");
export const MEMORY_BYTES = 2 ** 20;

export type Exit = { vm: VmId; detail: string; causes: ExitCauses };

export type FakeHost = {
  guests: Guests;
  /** Exits that were reported. */
  exits: Exit[];
  runDir: string;
  server: FakeQmpServer;
  /** Stands for the guest's QEMU. */
  child: ChildProcess;
  /** As after a restart of the agent; nothing is reattached yet. */
  restart(): Promise<Guests>;
};

/**
 * A host with one guest that an agent has reattached: a process that sleeps, and a scripted QMP server
 * in place of its monitor. `quit` ends the process.
 */
export async function startFakeHost(
  options: { commands?: Readonly<Record<string, FakeCommand>>; manifest?: Partial<Manifest> } = {},
): Promise<FakeHost> {
  const child = spawn("sleep", ["600"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const quit = () => void child.kill("SIGKILL");
  const server = await FakeQmpServer.start({ commands: { quit, ...options.commands } });
  onTestFinished(() => server.close());
  const root = testFolder();
  const runDir = join(root, "run");
  writeManifest(join(runDir, VM), {
    vm: VM,
    adopted: false,
    ...identify(child.pid),
    qmpPath: "path" in server.address ? server.address.path : "",
    definition: VmDefinition.parse({ memoryBytes: MEMORY_BYTES }),
    permittedToRun: true,
    contSent: true,
    arrived: true,
    ...options.manifest,
  });
  const exits: Exit[] = [];
  const open = () =>
    new Guests({
      runDir,
      stateDir: join(root, "state"),
      log: quietLog(),
      onExit: (vm, detail, causes) => void exits.push({ vm, detail, causes }),
    });
  const host: FakeHost = {
    guests: open(),
    exits,
    runDir,
    server,
    child,
    restart: async () => {
      await host.guests.close();
      host.guests = open();
      return host.guests;
    },
  };
  onTestFinished(() => host.guests.close());
  await host.guests.reattach();
  return host;
}
