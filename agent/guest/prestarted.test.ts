import { expect, it, vi } from "vitest";
import { MigrationId, VmId } from "../../core/id.ts";
import { VmDefinition } from "../../core/vm.ts";
import { quietLog } from "../runtime/testing/quiet-log.ts";
import type { Guest } from "./guest.ts";
import { PrestartedTargets } from "./prestarted.ts";

const vm = VmId.parse("vm1");
const wanted = {
  migrationId: MigrationId.parse("mig_01ARZ3NDEKTSV4RRFFQ69G5FAV"),
  definition: VmDefinition.parse({ machine: "pc", memoryBytes: 32 << 20 }),
};

/** A target that ends, and starts, when the test lets it. */
function slowTarget() {
  const start = Promise.withResolvers<void>();
  const end = Promise.withResolvers<void>();
  const guest = { isAlive: true, end: vi.fn(() => end.promise) };
  const run = () => start.promise.then(() => guest as unknown as Guest);
  return { guest, end, start, run };
}

function prestart(target: ReturnType<typeof slowTarget>): PrestartedTargets {
  const targets = new PrestartedTargets(quietLog());
  targets.start(vm, wanted, target.run);
  return targets;
}

it("a target that is being ended, and still lives, is not taken", async () => {
  const target = slowTarget();
  const targets = prestart(target);
  target.start.resolve();
  const discarded = targets.discard(vm);
  const taken = targets.take(vm, wanted);
  target.end.resolve();
  expect(await taken).toBeUndefined();
  await discarded;
  expect(target.guest.end).toHaveBeenCalledOnce();
  expect(targets.has(vm)).toBe(false);
});

it("a target that was taken while it was being started is not ended", async () => {
  const target = slowTarget();
  const targets = prestart(target);
  const taken = targets.take(vm, wanted);
  const discarded = targets.discard(vm);
  target.start.resolve();
  expect(await taken).toBe(target.guest);
  await discarded;
  expect(target.guest.end).not.toHaveBeenCalled();
});
