import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Migration } from "../../core/migration/migration.ts";
import { documents } from "../../functions/runtime/clients.ts";
import { handler as admit } from "../../functions/task/admit.ts";
import { handler as complete } from "../../functions/task/complete.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { smallDefinition } from "./testing/fixtures.ts";
import { addHost, addMigration, addVm, arrive, operate, type TestAgent } from "./testing/fleet.ts";

const AFTER_READ = "after-read";

let cloud: TestCloud;
let source: TestAgent;
let target: TestAgent;
let made: Migration;
let count = 0;

beforeAll(async () => {
  cloud = await startTestCloud();
  source = await addHost("host-a", { slotsOut: 64, slotsIn: 64 });
  target = await addHost("host-b", { slotsOut: 64, slotsIn: 64 });
});
afterAll(() => cloud.close());

beforeEach(async () => {
  count += 1;
  await addVm(`vm-${count}`, source, smallDefinition);
  made = await addMigration(`vm-${count}`, "host-b");
  await admit({ migrationId: made.id });
  await arrive(target, made);
});
afterEach(() => {
  documents().middlewareStack.remove(AFTER_READ);
});

/** Completes the migration right after that row was read, before its reader continues. */
function completeAfterReading(pk: string): { done: boolean } {
  const state = { done: false };
  documents().middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args);
      const { Key } = args.input as { Key?: { pk?: string } };
      if (Key?.pk === pk && !state.done) {
        state.done = true;
        await complete({ migrationId: made.id });
      }
      return answer;
    },
    { step: "initialize", name: AFTER_READ },
  );
  return state;
}

const vm = async () => (await operate("GET", `/v1/vms/${made.vm}`)).body;

describe("a target's QEMU that ends just as its migration completes", () => {
  it.each([
    ["after the VM was read", () => `VM#${made.vm}`],
    ["after the migration was read", () => `MIG#${made.id}`],
  ])("is recorded: %s", async (_, row) => {
    const state = completeAfterReading(row());
    await target.emit({ type: "guest.exited", vm: made.vm, detail: "killed" });
    expect(state.done).toBe(true);
    expect(await vm()).toMatchObject({ state: "failed", host: "host-b", detail: "killed" });
  });

  it("is recorded by the end of the migration when its event came before", async () => {
    await target.emit({ type: "guest.exited", vm: made.vm, detail: "killed" });
    expect(await vm()).toMatchObject({ state: "migrating" });
    await complete({ migrationId: made.id });
    expect(await vm()).toMatchObject({ state: "failed", host: "host-b", detail: "killed" });
  });
});

it("a source's QEMU that ends after its migration has completed does not change the VM", async () => {
  await complete({ migrationId: made.id });
  await source.emit({ type: "guest.exited", vm: made.vm, detail: "told to quit" });
  expect(await vm()).toMatchObject({ state: "running", host: "host-b" });
});
