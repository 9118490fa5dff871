import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { testFolder } from "../../agent/testing/folder.ts";
import { VmDefinition } from "../../core/vm.ts";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { type GuestAction, PANIC_DEVICE, writeActingDisk } from "../../rig/guest/acting-guest.ts";
import { bootDiskDefinition } from "../../rig/guest/boot-disk.ts";
import { TestHost } from "./testing/host.ts";
import { VM } from "./testing/pair.ts";

const qemu = findQemu();
const LOAD = { afterTicks: 30, dirtyBytesPerSecond: 1 << 20, workingSetBytes: 4 << 20 };
const hosts: TestHost[] = [];
afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.close()));
});

/** A host with a guest that takes one action soon after its start. */
async function start(action: GuestAction): Promise<TestHost> {
  const disk = join(testFolder(), "boot.img");
  await writeActingDisk(disk, { ...LOAD, action });
  const host = new TestHost("host", { qemu });
  hosts.push(host);
  const { devices = [], ...rest } = bootDiskDefinition(disk);
  const machine = { machine: "pc", memoryBytes: 64 << 20 };
  const all = [...devices, PANIC_DEVICE];
  const definition = VmDefinition.parse({ ...machine, ...rest, devices: all });
  const started = await host.run("guest.start", VM, { definition });
  expect(started.runState).toBe("running");
  return host;
}

const runStates = ({ events }: TestHost) =>
  events.flatMap(({ body }) => (body.type === "guest.run-state" ? [body] : []));

describe.skipIf(qemu === undefined)("a guest on real QEMU", () => {
  it("A10: that sleeps and is woken is reported suspended, then running", async () => {
    const host = await start("sleep");
    await vi.waitFor(() => expect(runStates(host)).toHaveLength(2), 20_000);
    const guest = host.guests.get(host.vm(VM));
    expect(guest.runState.current).toBe("suspended");
    await guest.qmp.executeAny("system_wakeup");
    await vi.waitFor(() => expect(runStates(host)).toHaveLength(3), 20_000);
    expect(runStates(host)).toMatchObject([
      { runState: "running" },
      { runState: "suspended", reason: "SUSPEND" },
      { runState: "running", reason: "WAKEUP" },
    ]);
  });

  it("A9: that powers itself off is reported with its shutdown", async () => {
    const host = await start("power-off");
    const { body } = await host.waitFor("guest.exited");
    expect(body).toMatchObject({ shutdown: { guest: true, reason: "guest-shutdown" } });
    expect(body).not.toHaveProperty("panicked");
  });

  it("A9: that panics is reported with its panic", async () => {
    const host = await start("panic");
    const { body } = await host.waitFor("guest.exited");
    expect(body).toMatchObject({ panicked: true });
  });

  it("A7: that somebody else stops is paused, also for the next agent", async () => {
    const first = await start("none");
    await first.guests.get(first.vm(VM)).qmp.execute("stop");
    await vi.waitFor(() => expect(runStates(first)).toHaveLength(2), 20_000);
    const host = await first.restart();
    hosts.splice(0, 1, host);
    await vi.waitFor(() => expect(runStates(host)).toHaveLength(1), 20_000);
    expect([runStates(first)[1], ...runStates(host)]).toMatchObject([
      { runState: "paused" },
      { runState: "paused" },
    ]);
  });
});
