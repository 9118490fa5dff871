import { describe, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import { readFleet } from "../../functions/service/read-fleet.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { handler as endMigration } from "../../functions/task/end-migration.ts";
import { figures, GiB } from "./testing/fixtures.ts";
import { arrive } from "./testing/fleet.ts";
import { recordOf, TwoHosts } from "./testing/two-hosts.ts";

const hosts = TwoHosts.forEachTest();
const memory = { dirtyBytesPerSecond: 4e6, workingSetBytes: 3e6, firstPassBytes: 9e6 };

const of = ({ id: migrationId, vm, epoch }: Migration) => ({ migrationId, vm, epoch });

async function completed(shown: Partial<typeof memory> | undefined): Promise<Migration> {
  const made = await hosts.move();
  const own = shown === undefined ? figures : { ...figures, memory: shown };
  await hosts.source.emit({
    type: "migration.source-completed",
    ...of(made),
    figures: own,
    handedOver: true,
  });
  await arrive(hosts.target, made);
  await complete({ migrationId: made.id });
  return recordOf(made.id);
}

async function planned() {
  const { snapshot } = await readFleet();
  return snapshot.vms.find(({ id }) => id === hosts.vm)?.learned;
}

describe("a migration that completed", () => {
  it("teaches the VM's record, and through it the next plan", async () => {
    expect(await planned()).toEqual({});
    const { id, endedAt } = await completed(memory);
    expect(await hosts.vmNow()).toMatchObject({
      learned: { ...memory, migration: id, at: endedAt },
    });
    expect(await planned()).toMatchObject({
      ...memory,
      from: `vm ${hosts.vm}, ${id}`,
      ageMs: expect.any(Number),
    });
  });

  it("teaches nothing twice when its end is repeated", async () => {
    const { id } = await completed(memory);
    const before = await hosts.vmNow();
    await complete({ migrationId: id });
    expect((await hosts.vmNow()).learned).toEqual(before.learned);
  });

  it("of an older agent teaches nothing of the memory, and completes", async () => {
    expect(await completed(undefined)).toMatchObject({ status: "completed" });
    expect(await planned()).not.toHaveProperty("dirtyBytesPerSecond");
  });
});

describe("a migration that did not complete", () => {
  const ended = async (made: Migration) =>
    endMigration({ migrationId: made.id, action: "end", error: "MigrationFailed", cause: "x" });

  it("teaches the dirty rate, where QEMU had measured one", async () => {
    const made = await hosts.move();
    const progress = {
      status: "active",
      dirtySyncCount: 9,
      dirtyBytesPerSecond: 7e8,
      ramTotalBytes: GiB,
    };
    await hosts.source.emit({ type: "migration.progress", ...of(made), progress });
    await ended(made);
    expect(await planned()).toMatchObject({ dirtyBytesPerSecond: 7e8 });
  });

  it("teaches nothing before the second pass", async () => {
    const made = await hosts.move();
    const progress = { status: "active", dirtySyncCount: 1, dirtyBytesPerSecond: 0 };
    await hosts.source.emit({ type: "migration.progress", ...of(made), progress });
    await ended(made);
    expect(await planned()).toEqual({});
  });
});
