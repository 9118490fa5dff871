import { describe, expect, it, vi } from "vitest";
import { isQmpEvent } from "../../qmp/events.ts";
import type { RunStateChange } from "./run-state.ts";
import { startFakeHost, VM } from "./testing/fake-host.ts";

const WAIT_MS = 10_000;
const AT_MS = 1_795_251_070_430;
const readError = { device: "", "node-name": "d", operation: "read", reason: "Input/output error" };

/** A guest whose QEMU reports `runState`; the follower's changes. */
async function follow() {
  const qemu = { runState: "running", queries: 0 };
  const commands = {
    "query-status": () => {
      qemu.queries += 1;
      return { running: qemu.runState === "running", status: qemu.runState };
    },
  };
  const host = await startFakeHost({ commands });
  const guest = host.guests.get(VM);
  await guest.runState.refresh();
  const changes: RunStateChange[] = [];
  guest.runState.onChange((change) => void changes.push(change));
  /** QEMU emits events, after which it reports this run state. */
  const become = async (
    runState: string,
    events: readonly (readonly [name: string, data?: object])[],
  ) => {
    qemu.runState = runState;
    const [last] = events.at(-1) ?? [""];
    const arrived = guest.qmp.waitFor((event) => isQmpEvent(event, last), { timeoutMs: WAIT_MS });
    for (const [name, data] of events) await host.server.emit(name, data, AT_MS);
    await arrived;
    await guest.runState.refresh();
  };
  return { host, guest, qemu, changes, become };
}

describe("the run state of a guest", () => {
  it.each([
    ["paused", [["STOP"]], undefined],
    ["suspended", [["SUSPEND"]], "SUSPEND"],
    [
      "shutdown",
      [["SHUTDOWN", { guest: true, reason: "guest-shutdown" }], ["STOP"]],
      "guest-shutdown",
    ],
    [
      "guest-panicked",
      [["GUEST_PANICKED", { action: "pause" }], ["STOP"]],
      "GUEST_PANICKED, action pause",
    ],
    ["watchdog", [["WATCHDOG", { action: "pause" }], ["STOP"]], "WATCHDOG, action pause"],
    [
      "io-error",
      [["BLOCK_IO_ERROR", { ...readError, action: "stop" }], ["STOP"]],
      "BLOCK_IO_ERROR read on d: Input/output error",
    ],
  ] as const)(
    "A11: is reported when it becomes %s, with QEMU's time and reason",
    async (...given) => {
      const [runState, events, reason] = given;
      const { guest, changes, become } = await follow();
      await become(runState, events);
      expect(changes).toEqual([{ runState, atMs: AT_MS, ...(reason && { reason }) }]);
      expect(guest.runState.current).toBe(runState);
    },
  );

  it("A10: is reported on change only, also back to running", async () => {
    const { changes, become } = await follow();
    await become("suspended", [["SUSPEND"]]);
    await become("suspended", [["RESET", { guest: false, reason: "host-qmp-system-reset" }]]);
    await become("running", [["WAKEUP"]]);
    await become("running", [["RESUME"]]);
    expect(changes.map(({ runState, reason }) => [runState, reason])).toEqual([
      ["suspended", "SUSPEND"],
      ["running", "WAKEUP"],
    ]);
  });

  it("stays what it was when QEMU enters a state of the migration's own", async () => {
    const { guest, changes, become } = await follow();
    for (const runState of ["finish-migrate", "postmigrate", "inmigrate"]) {
      await become(runState, [["STOP"]]);
    }
    expect([guest.runState.current, changes]).toEqual(["running", []]);
  });

  it("is read again after a session that broke, and has no reason of before", async () => {
    const { host, qemu, changes } = await follow();
    qemu.runState = "paused";
    host.server.cut();
    await vi.waitFor(() => expect(changes).toHaveLength(1), WAIT_MS);
    expect(changes).toEqual([{ runState: "paused", atMs: expect.any(Number) }]);
  });

  it("costs few queries in a flood of errors, and none where the guest runs on", async () => {
    const { guest, qemu, become, changes } = await follow();
    const before = qemu.queries;
    const flood = (action: string) =>
      Array.from(
        { length: 500 },
        () => ["BLOCK_IO_ERROR", { ...readError, action }] as [string, object],
      );
    await become("running", flood("report"));
    expect(qemu.queries - before).toBe(1);
    await become("io-error", [...flood("stop"), ["STOP"]]);
    expect(qemu.queries - before).toBeLessThan(100);
    expect(changes).toHaveLength(1);
    expect(guest.runState.current).toBe("io-error");
  });
});

describe("a QEMU that ends by itself", () => {
  it("A9: is reported with its shutdown, not as a crash", async () => {
    const { host, become } = await follow();
    await become("running", [["SHUTDOWN", { guest: true, reason: "guest-shutdown" }]]);
    host.child.kill("SIGKILL");
    host.server.cut();
    await vi.waitFor(() => expect(host.exits).toHaveLength(1), WAIT_MS);
    const shutdown = { guest: true, reason: "guest-shutdown" };
    expect(host.exits).toMatchObject([{ vm: VM, causes: { shutdown } }]);
  });

  it("A9: is reported with the guest's panic until the guest was reset", async () => {
    const { guest, become } = await follow();
    await become("running", [["GUEST_PANICKED", { action: "run" }]]);
    expect(guest.runState.exitCauses).toEqual({ panicked: true });
    await become("running", [["RESET", { guest: true, reason: "guest-reset" }]]);
    expect(guest.runState.exitCauses).toEqual({});
  });
});
