import { expect, it, vi } from "vitest";
import type { Guest } from "../../guest/guest.ts";
import { quietLog } from "../../runtime/testing/quiet-log.ts";
import { FloodControl } from "./flood-control.ts";

/** Answers as a QEMU whose VFIO devices have sent so many bytes each time it is asked. */
function start(deviceBytes: (number | undefined)[], switchoverBandwidth = 0) {
  const set: unknown[] = [];
  const execute = vi.fn(async (command: string, args?: unknown) => {
    if (command === "query-migrate") {
      const transferred = deviceBytes.length > 1 ? deviceBytes.shift() : deviceBytes[0];
      return transferred === undefined ? {} : { vfio: { transferred } };
    }
    if (command === "query-migrate-parameters") {
      return { "max-bandwidth": 0, "avail-switchover-bandwidth": switchoverBandwidth };
    }
    if (command === "migrate-set-parameters") set.push(args);
    return {};
  });
  const agreed = { "max-bandwidth": 0, "avail-switchover-bandwidth": switchoverBandwidth };
  const guest = { qmp: { execute }, manifest: { migration: { agreed } } } as unknown as Guest;
  return { flood: new FloodControl(guest, quietLog()), set, execute };
}

it("slows down a source that spins with nothing left to send", async () => {
  const { flood, set } = start([undefined]);
  flood.onPasses(100, 5_000_000);
  await vi.waitFor(
    () =>
      expect(set).toEqual([{ "max-bandwidth": 20_000, "avail-switchover-bandwidth": 5_000_000 }]),
    20_000,
  );
});

it("does not slow down a source that makes few passes", async () => {
  const { flood, execute } = start([undefined]);
  flood.onPasses(3, undefined);
  await Promise.resolve();
  expect(execute).not.toHaveBeenCalled();
});

it("lets devices send what the ACK waits for at full speed, and slows down afterwards", async () => {
  const { flood, set, execute } = start([1_000, 2_000, 3_000], 1_000_000_000);
  flood.onPasses(100, undefined);
  await vi.waitFor(() => expect(execute).toHaveBeenCalledTimes(2), 20_000);
  expect(set).toEqual([]);
  await vi.waitFor(() => {
    flood.onPasses(100, undefined);
    expect(set).toEqual([{ "max-bandwidth": 20_000 }]);
  }, 20_000);
});

it("gives full speed back when the hold is over", async () => {
  const { flood, set } = start([undefined]);
  flood.onPasses(100, undefined);
  await vi.waitFor(() => expect(set).toHaveLength(1), 20_000);
  flood.stopCalming();
  await vi.waitFor(() => expect(set[1]).toEqual({ "max-bandwidth": 0 }), 20_000);
});
