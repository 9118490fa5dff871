import { appendFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { MigrationId, VmId } from "../../core/id.ts";
import { guestPaths } from "./arguments.ts";
import { type FakeHost, MEMORY_BYTES, startFakeHost, VM } from "./testing/fake-host.ts";

const OTHER = VmId.parse("vm2");
const WAIT_MS = 10_000;

const folderOf = (host: FakeHost) => join(host.runDir, VM);

function follow() {
  return { linkUp: true, close: vi.fn() };
}

describe("the guests of a host", () => {
  it("are found by their VM, and count with their memory", async () => {
    const { guests } = await startFakeHost();
    expect(guests.get(VM)).toBe(guests.find(VM));
    expect([guests.isPresent(VM), guests.isPresent(OTHER)]).toEqual([true, false]);
    expect(guests.memoryBytes).toBe(MEMORY_BYTES);
    expect(guests.exited(VM)).toBeUndefined();
    expect(() => guests.get(OTHER)).toThrow("no guest vm2");
  });

  it("go on running when they are detached, and are reattached", async () => {
    const host = await startFakeHost();
    const migrating = follow();
    host.guests.setMigrating(VM, migrating);
    const guests = await host.restart();
    expect(migrating.close).toHaveBeenCalledOnce();
    expect(guests.find(VM)).toBeUndefined();
    expect(guests.isPresent(VM)).toBe(true);
    expect((await guests.reattach()).map(({ vm, isAlive }) => [vm, isAlive])).toEqual([[VM, true]]);
    expect(host.exits).toEqual([]);
  });

  it("are all listed as present, also one whose manifest cannot be read", async () => {
    const host = await startFakeHost();
    expect(host.guests.present).toEqual([VM]);
    for (const name of [OTHER, "empty", "Not a VM"]) mkdirSync(join(host.runDir, name));
    for (const name of [OTHER, "Not a VM"]) {
      writeFileSync(join(host.runDir, name, "guest.json"), "torn");
    }
    const guests = await host.restart();
    await guests.reattach();
    expect(guests.present.sort()).toEqual([VM, OTHER]);
  });

  it("have at most one migration; a new one closes the one before", async () => {
    const { guests } = await startFakeHost();
    const first = follow();
    const second = follow();
    guests.setMigrating(VM, first);
    guests.setMigrating(VM, first);
    expect(first.close).not.toHaveBeenCalled();
    guests.setMigrating(VM, second);
    expect(first.close).toHaveBeenCalledOnce();
    expect(guests.migrating(VM)).toBe(second);
    guests.setMigrating(VM, undefined);
    expect(second.close).toHaveBeenCalledOnce();
    expect(guests.migrating(VM)).toBeUndefined();
  });
});

describe("a guest whose process ends by itself", () => {
  it("is reported once with its last output, and leaves its manifest", async () => {
    const host = await startFakeHost();
    const migrating = follow();
    host.guests.setMigrating(VM, migrating);
    appendFileSync(guestPaths(folderOf(host)).output, "qemu: out of luck\n");
    host.child.kill("SIGKILL");
    host.server.cut();
    await vi.waitFor(() => expect(host.exits).toHaveLength(1), WAIT_MS);
    expect(host.exits).toEqual([{ vm: VM, detail: "qemu: out of luck", causes: {} }]);
    expect(migrating.close).toHaveBeenCalledOnce();
    expect(host.guests.exited(VM)).toMatchObject({
      manifest: { permittedToRun: true, pid: host.child.pid },
      isWhole: true,
    });
    expect([host.guests.isPresent(VM), existsSync(folderOf(host))]).toEqual([false, false]);
    expect(host.guests.memoryBytes).toBe(0);
  });

  it("is reported without what it wrote before its last move", async () => {
    const host = await startFakeHost();
    const { output } = guestPaths(folderOf(host));
    const guest = host.guests.get(VM);
    appendFileSync(output, "qemu: of an earlier move\n");
    const id = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAV");
    const outputOffset = guest.outputBytes;
    guest.note({ migration: { id, epoch: 1, side: "source", over: true, outputOffset } });
    appendFileSync(output, "qemu: out of luck\n");
    host.child.kill("SIGKILL");
    host.server.cut();
    await vi.waitFor(() => expect(host.exits).toHaveLength(1), WAIT_MS);
    expect(host.exits).toMatchObject([{ detail: "qemu: out of luck" }]);
  });

  it("is reported by the next agent when none was running", async () => {
    const host = await startFakeHost();
    const guests = await host.restart();
    host.child.kill("SIGKILL");
    await vi.waitFor(() => expect(host.child.signalCode).toBe("SIGKILL"), WAIT_MS);
    expect(await guests.reattach()).toEqual([]);
    const detail = expect.stringContaining("not running");
    expect(host.exits).toEqual([{ vm: VM, detail, causes: {} }]);
    await (await host.restart()).reattach();
    expect(host.exits).toHaveLength(1);
    expect(host.guests.exited(VM)).toMatchObject({ manifest: { permittedToRun: true } });
  });
});

describe("a guest that is ended on purpose", () => {
  it("is not reported, and leaves its manifest", async () => {
    const host = await startFakeHost();
    await host.guests.end(host.guests.get(VM));
    expect(host.child.signalCode).toBe("SIGKILL");
    expect(host.guests.exited(VM)).toMatchObject({ manifest: { permittedToRun: true } });
    expect([host.guests.isPresent(VM), existsSync(folderOf(host))]).toEqual([false, false]);
    expect(host.exits).toEqual([]);
  });

  it("stays when its end is refused; its exit is reported then", async () => {
    const host = await startFakeHost();
    const guest = host.guests.get(VM);
    const refused = host.guests.end(guest, () => Promise.reject(new Error("not powered down")));
    await expect(refused).rejects.toThrow("not powered down");
    expect(host.guests.find(VM)).toBe(guest);
    host.child.kill("SIGKILL");
    host.server.cut();
    await vi.waitFor(() => expect(host.exits).toHaveLength(1), WAIT_MS);
  });

  it("is reported when its end fails but its process has ended", async () => {
    const host = await startFakeHost();
    const guest = host.guests.get(VM);
    const failing = host.guests.end(guest, async () => {
      host.child.kill("SIGKILL");
      await vi.waitFor(() => expect(guest.isAlive).toBe(false), WAIT_MS);
      throw new Error("too late");
    });
    await expect(failing).rejects.toThrow("too late");
    await vi.waitFor(() => expect(host.exits).toHaveLength(1), WAIT_MS);
    expect(host.guests.find(VM)).toBeUndefined();
  });
});
