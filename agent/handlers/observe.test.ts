import { describe, expect, it, vi } from "vitest";
import { HostId, MigrationId, VmId } from "../../core/id.ts";
import type { Command } from "../../core/protocol/command.ts";
import { FakeQmpError } from "../../qmp/testing/fake-error.ts";
import { type FakeHost, startFakeHost, VM } from "../guest/testing/fake-host.ts";
import { bootId } from "../runtime/process.ts";
import type { Context } from "./context.ts";
import { stopGuest } from "./guest.ts";
import { observe } from "./observe.ts";

const migrationId = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAV");
const otherId = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAW");
const migration = { id: migrationId, epoch: 1, side: "target", over: false } as const;

/** The handlers under test use nothing else of the context. */
const contextOf = ({ guests }: FakeHost) =>
  ({ guests, log: { info: () => undefined } }) as unknown as Context;

function command(change: Partial<Command> = {}): Command {
  return { host: HostId.parse("a"), vm: VM, epoch: 1, migrationId, ...change } as Command;
}

const running = {
  "query-status": () => ({ running: true, status: "running" }),
  "query-migrate": () => ({ status: "failed", "error-desc": "channel error" }),
};

describe("an observation", () => {
  it("has what QEMU and the manifest know", async () => {
    const host = await startFakeHost({ commands: running, manifest: { migration } });
    expect(await observe(contextOf(host), command())).toEqual({
      side: "target",
      process: "running",
      permittedToRun: true,
      arrived: true,
      contSent: true,
      saidCompleted: false,
      remembers: expect.any(Boolean),
      bootId: bootId(),
      linkUp: false,
      migrationId,
      runState: "running",
      migrationStatus: "failed",
      errorDescription: "channel error",
    });
  });

  it("takes a process without a part in the migration for the source", async () => {
    const host = await startFakeHost({ commands: running, manifest: { migration } });
    const observation = await observe(contextOf(host), command({ migrationId: otherId }));
    expect(observation).toMatchObject({ side: "source", migrationId });
  });

  it("reports a VM without a process as none", async () => {
    const host = await startFakeHost();
    const observation = await observe(contextOf(host), command({ vm: VmId.parse("vm2") }));
    expect(observation).toEqual({
      side: "source",
      process: "none",
      permittedToRun: false,
      arrived: false,
      contSent: false,
      saidCompleted: false,
      remembers: expect.any(Boolean),
      bootId: bootId(),
      linkUp: false,
    });
  });

  it("reports a process that has ended as exited, with what its manifest had", async () => {
    const host = await startFakeHost({ manifest: { migration } });
    await host.guests.end(host.guests.get(VM));
    expect(await observe(contextOf(host), command())).toMatchObject({
      process: "exited",
      side: "target",
      permittedToRun: true,
      arrived: true,
      contSent: true,
      saidCompleted: false,
      remembers: expect.any(Boolean),
    });
  });

  it.each([
    [undefined, undefined],
    [{ active: true, pauses: 0, paused: false }, "postcopy-active"],
  ])("reports a QEMU without an answer as silent; postcopy: %j", async (postcopy, status) => {
    const fails = () => {
      throw new FakeQmpError("not now");
    };
    const commands = { "query-status": fails, "query-migrate": fails };
    const manifest = { migration: { ...migration, ...(postcopy && { postcopy }) } };
    const host = await startFakeHost({ commands, manifest });
    const observation = await observe(contextOf(host), command());
    expect(observation.process).toBe("silent");
    expect(observation.migrationStatus).toBe(status);
  });
});

describe("guest.stop", () => {
  it("is refused during a migration, which it names", async () => {
    const host = await startFakeHost({ manifest: { migration } });
    const stop = stopGuest(contextOf(host), command(), { mode: "quit" });
    await expect(stop).rejects.toMatchObject({ code: "refused" });
    await expect(stop).rejects.toThrow(migrationId);
    expect(host.guests.get(VM).isAlive).toBe(true);
  });

  it("ends the guest without an event, and may be repeated", async () => {
    const host = await startFakeHost({ manifest: { migration: { ...migration, over: true } } });
    for (let n = 1; n <= 2; n += 1) {
      const stopped = await stopGuest(contextOf(host), command(), { mode: "quit" });
      expect(stopped).toEqual({ stopped: true });
    }
    expect([host.guests.find(VM), host.exits]).toEqual([undefined, []]);
  });

  it("presses the power button and waits for the guest", async () => {
    const powerdown = vi.fn();
    const host = await startFakeHost({
      commands: {
        system_powerdown: () => {
          powerdown();
          host.child.kill("SIGKILL");
        },
      },
    });
    await stopGuest(contextOf(host), command(), { mode: "powerdown" });
    expect(powerdown).toHaveBeenCalledOnce();
    expect(host.exits).toEqual([]);
  });
});
