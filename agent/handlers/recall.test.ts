import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { HostId, MigrationId, VmId } from "../../core/id.ts";
import type { Command } from "../../core/protocol/command.ts";
import { AgentStore } from "../durable/store.ts";
import { type FakeHost, startFakeHost, VM } from "../guest/testing/fake-host.ts";
import type { Context } from "./context.ts";
import { observe } from "./observe.ts";

const id = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAV");
const other = VmId.parse("vm2");
const migration = { id, epoch: 1, side: "target", over: false } as const;
const notYet = { permittedToRun: false, contSent: false, arrived: false };

const ask = ({ guests }: FakeHost, vm = other) =>
  observe(
    { guests } as unknown as Context,
    { host: HostId.parse("a"), vm, epoch: 1, migrationId: id } as Command,
  );

/** As after a reboot: what was recorded belongs to another boot. */
function reboot(host: FakeHost): void {
  const store = new AgentStore(join(host.runDir, "..", "state"));
  const text = "replace(memory, json_extract(memory, '$.bootId'), 'another')";
  store.run(`UPDATE migrations SET memory = ${text}`);
  store.run("UPDATE exited SET boot_id = 'another'");
  store.close();
}

describe("B5: a host whose run directory is lost", () => {
  it("remembers a preparation, until the host has crashed", async () => {
    const host = await startFakeHost();
    expect(await ask(host)).toMatchObject({ process: "none", remembers: false });
    await host.guests.memory.begin(id, other, "target");
    expect(await ask(host)).toMatchObject({ process: "none", remembers: true, side: "target" });
    reboot(host);
    // The run grant may have been given, and lost: that is no proof that the guest never ran.
    expect(await ask(host)).toMatchObject({ process: "none", remembers: false });
  });

  it("remembers that the guest was permitted to run, also after a crash of the host", async () => {
    const host = await startFakeHost({ manifest: { migration, ...notYet } });
    const guest = host.guests.get(VM);
    guest.noteRunGrant();
    guest.noteArrived(1);
    host.child.kill("SIGKILL");
    const guests = await host.restart();
    rmSync(join(host.runDir, VM), { recursive: true });
    await guests.reattach();
    reboot(host);
    const facts = { permittedToRun: true, arrived: true, remembers: true };
    expect(await ask(host, VM)).toMatchObject({ process: "exited", side: "target", ...facts });
  });
});

it("a manifest that a crash of the host may have cut short proves no absence", async () => {
  const host = await startFakeHost({ manifest: { migration, ...notYet } });
  await host.guests.end(host.guests.get(VM));
  expect(await ask(host, VM)).toMatchObject({ process: "exited", remembers: true });
  reboot(host);
  await host.restart();
  expect(await ask(host, VM)).toMatchObject({ process: "none", remembers: false });
});

it("A1: a run grant that is taken back is void over a restart, with QEMU's words", async () => {
  const host = await startFakeHost({ manifest: { migration, ...notYet } });
  const guest = host.guests.get(VM);
  guest.noteRunGrant();
  guest.noteContSent();
  guest.note({});
  guest.revokeRunGrant("Failed to get lock");
  await host.restart();
  const [again] = await host.guests.reattach();
  expect(again?.manifest).toMatchObject({ ...notYet, runRefused: "Failed to get lock" });
  again?.noteRunGrant();
  expect(again?.manifest).not.toHaveProperty("runRefused");
});

it("a source remembers that it said completed, of this migration only", async () => {
  const source = { ...migration, side: "source" } as const;
  const host = await startFakeHost({ manifest: { migration: source } });
  host.guests.get(VM).noteSaidCompleted(7);
  await host.restart();
  const [guest] = await host.guests.reattach();
  expect(guest?.manifest.migration).toMatchObject({ saidCompletedAtMs: expect.any(Number) });
  guest?.noteHandedOver(8);
  expect(host.guests.memory.find(id)).toMatchObject({ saidCompleted: true, handedOver: true });
  const next = MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAW");
  guest?.note({ migration: { ...source, id: next } });
  await host.restart();
  const [last] = await host.guests.reattach();
  expect(last?.manifest.migration).not.toHaveProperty("saidCompletedAtMs");
});
