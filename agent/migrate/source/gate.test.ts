import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { QmpCommandError } from "../../../qmp/error.ts";
import type { Guest } from "../../guest/guest.ts";
import { quietLog } from "../../runtime/testing/quiet-log.ts";
import { FloodControl } from "./flood-control.ts";
import { Gate } from "./gate.ts";
import { LinkBandwidth } from "./link-bandwidth.ts";

const LIMIT_MS = 300;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A gate that holds, on a QEMU that takes everything. */
async function holding() {
  const set: Record<string, unknown>[] = [];
  const parameters: Record<string, unknown> = { "avail-switchover-bandwidth": 0 };
  const execute = vi.fn(async (command: string, args?: Record<string, unknown>) => {
    if (command === "migrate-set-parameters") {
      set.push(args ?? {});
      Object.assign(parameters, args);
    }
    if (command === "query-jobs") return [];
    return command === "query-migrate-parameters" ? parameters : {};
  });
  const passes = new Set<(event: { count: number }) => void>();
  const monitor = {
    on: (_name: string, listener: (event: { count: number }) => void) => {
      passes.add(listener);
      return () => passes.delete(listener);
    },
  };
  const manifest = { migration: { id: "mig", gate: {}, agreed: { "max-bandwidth": 0 } } };
  const note = (change: object) => void Object.assign(manifest, change);
  const guest = { qmp: { execute }, monitor, manifest, note } as unknown as Guest;
  const log = quietLog();
  const link = new LinkBandwidth(guest, log, 1_000_000_000);
  const flood = new FloodControl(guest, log);
  const gate = new Gate({ guest, log, limitMs: LIMIT_MS, link, flood });
  await gate.hold();
  set.length = 0;
  const pass = () => {
    for (const listener of passes) listener({ count: 1 });
  };
  return { gate, set, execute, manifest, pass, passes, limit: () => parameters["downtime-limit"] };
}

it("calms a source that has nothing left to send, with the link's figure in place", async () => {
  const { gate, set } = await holding();
  expect(gate.isSettled).toBe(true);
  gate.calm(5_000_000);
  await vi.advanceTimersByTimeAsync(0);
  expect(set).toEqual([
    { "avail-switchover-bandwidth": 1_000_000_000 },
    { "max-bandwidth": 20_000 },
  ]);
});

it("is settled a second after it was calmed, not before", async () => {
  const { gate } = await holding();
  gate.calm();
  await vi.advanceTimersByTimeAsync(0);
  expect(gate.isSettled).toBe(false);
  await vi.advanceTimersByTimeAsync(999);
  expect(gate.isSettled).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(gate.isSettled).toBe(true);
});

it("sends what became dirty at a limit of 1 ms, then applies the agreed limit", async () => {
  const { gate, set, limit, manifest, pass, passes } = await holding();
  gate.calm();
  await vi.advanceTimersByTimeAsync(0);
  set.length = 0;
  expect(await gate.open()).toBe(true);
  expect(set).toEqual([{ "max-bandwidth": 0 }, { "downtime-limit": 1 }]);
  pass();
  await vi.advanceTimersByTimeAsync(0);
  expect(limit()).toBe(1);
  pass();
  await vi.advanceTimersByTimeAsync(0);
  expect(limit()).toBe(LIMIT_MS);
  expect(manifest.migration).toMatchObject({ gate: { isLifted: true } });
  expect(passes.size).toBe(0);
});

it("does not wait for ever for passes that it may have missed", async () => {
  const { gate, limit } = await holding();
  await gate.open();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(limit()).toBe(LIMIT_MS);
});

it("a permit is recorded before it reaches QEMU, so that a restarted agent repeats it", async () => {
  const { gate, execute, manifest } = await holding();
  execute.mockResolvedValueOnce([]); // No job runs.
  execute.mockRejectedValueOnce(new Error("gone")); // The link's figure: never mind.
  execute.mockRejectedValueOnce(new Error("gone"));
  await expect(gate.open()).rejects.toThrow("gone");
  expect(manifest.migration.gate).toEqual({ permitAtMs: Date.now() });
  expect(gate.isHolding).toBe(true);
  expect(await gate.open()).toBe(true);
});

it("changes no limit any more once the migration is over", async () => {
  const { gate, set, pass } = await holding();
  await gate.open();
  await gate.cleanUp();
  set.length = 0;
  pass();
  pass();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(set).toEqual([]);
});

/** A QEMU that still has the migration: it lets go of the node after this many tries. */
function busyUntil(execute: ReturnType<typeof vi.fn>, tries: number) {
  let left = tries;
  execute.mockImplementation(async (command: string) => {
    if (command === "query-named-block-nodes") return [{ "node-name": "switchyard-gate" }];
    if (command !== "blockdev-del") return {};
    left -= 1;
    if (left >= 0) throw new QmpCommandError(command, "GenericError", "Node is in use");
    return {};
  });
}

it("cleans up once QEMU has let go of the bitmap", async () => {
  const { gate, execute } = await holding();
  busyUntil(execute, 3);
  const cleaned = gate.cleanUp();
  await vi.advanceTimersByTimeAsync(1_000);
  await cleaned;
  const removals = execute.mock.calls.filter(([command]) => command === "blockdev-del");
  expect(removals).toHaveLength(1 + 4);
  expect(execute).toHaveBeenLastCalledWith("migrate-set-parameters", {
    "downtime-limit": LIMIT_MS,
    "block-bitmap-mapping": [],
  });
});

it("leaves a node alone that may be the next migration's", async () => {
  const { gate, execute } = await holding();
  busyUntil(execute, 100);
  const cleaned = gate.cleanUp();
  await vi.advanceTimersByTimeAsync(100);
  gate.close();
  await cleaned;
  const count = execute.mock.calls.length;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(execute).toHaveBeenCalledTimes(count);
});
