import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { GuestAction } from "../../core/protocol/command.ts";
import { VmDefinition } from "../../core/vm.ts";
import { QmpClient } from "../../qmp/client.ts";
import { TestHost } from "./testing/host.ts";
import { migrationId, VM } from "./testing/pair.ts";
import { describeOnQemu } from "./testing/subjects.ts";

const definition = VmDefinition.parse({ memoryBytes: 32 << 20, machine: "pc" });

describeOnQemu("a guest outside of migrations", (subject) => {
  let host: TestHost;
  beforeEach(async () => {
    host = new TestHost("host", subject);
    await host.run("guest.start", VM, { definition });
  });
  afterEach(() => host.close());

  const control = (action: GuestAction) => host.run("guest.control", VM, { action });
  const runStates = () =>
    host.events.flatMap(({ body }) => (body.type === "guest.run-state" ? [body.runState] : []));

  it("is paused and resumed; each run state is emitted before the answer", async () => {
    expect(await control("pause")).toEqual({ runState: "paused" });
    expect(runStates()).toEqual(["running", "paused"]);
    expect(await control("pause")).toEqual({ runState: "paused" });
    expect(await control("resume")).toEqual({ runState: "running" });
    expect(runStates()).toEqual(["running", "paused", "running"]);
  });

  it("is reset, and its power button is pressed", async () => {
    expect(await control("reset")).toEqual({ runState: "running" });
    await control("powerdown");
    expect(host.guests.get(host.vm(VM)).isAlive).toBe(true);
  });

  it("is left alone while a migration is under way", async () => {
    const migration = { id: migrationId, epoch: 1, side: "source", over: false } as const;
    host.guests.get(host.vm(VM)).note({ migration });
    for (const action of ["pause", "resume", "reset", "powerdown"] as const) {
      await expect(control(action)).rejects.toThrow("refused: The guest vm1 is in migration");
    }
    await expect(host.run("guest.detach", VM, {})).rejects.toThrow("refused");
    await expect(host.run("guest.define", VM, { definition })).rejects.toThrow("refused");
    expect(runStates()).toEqual(["running"]);
  });

  it("that has been handed over, or may not run here, is not resumed", async () => {
    const guest = host.guests.get(host.vm(VM));
    const gone = { id: migrationId, epoch: 1, side: "source", over: true } as const;
    guest.note({ migration: { ...gone, handedOverAtMs: 1 } });
    await expect(control("resume")).rejects.toThrow("refused: The process of vm1");
    guest.note({ migration: gone });
    guest.revokeRunGrant();
    await expect(control("resume")).rejects.toThrow("refused: The process of vm1");
    guest.noteRunGrant();
  });

  it("is given back: it runs on with a monitor that is free, and can be adopted again", async () => {
    const { pid } = host.guests.get(host.vm(VM)).manifest;
    const { qmpPath } = await host.run("guest.detach", VM, {});
    expect(host.guests.present).toEqual([]);
    expect(existsSync(join(host.config.runDir, VM, "guest.json"))).toBe(false);
    const qmp = await QmpClient.connect({ path: qmpPath });
    expect(await qmp.execute("query-status")).toMatchObject({ running: true });
    await qmp.close();
    host = await host.restart();
    await expect(host.run("guest.detach", VM, {})).rejects.toThrow("not-found");
    const adopted = await host.run("guest.adopt", VM, { definition, qmpPath });
    expect(adopted).toMatchObject({ pid, runState: "running" });
    await host.run("guest.stop", VM, { mode: "quit" });
  });
});
