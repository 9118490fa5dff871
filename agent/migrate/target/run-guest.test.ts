import { describe, expect, it, vi } from "vitest";
import { QmpCommandError, QmpTimeoutError } from "../../../qmp/error.ts";
import type { Guest } from "../../guest/guest.ts";
import { runGuest } from "./run-guest.ts";

const LOCKED = new QmpCommandError("cont", "GenericError", 'Failed to get "write" lock');
const LATE = new QmpTimeoutError("cont", 60_000, true);
const RESUMED_AT_MS = 1_000_000;

/** A loaded guest. `cont`: its answer; `runState`: that of query-status afterwards. */
function loaded(options: { cont?: Error; runState?: string; permittedToRun?: boolean } = {}) {
  const { cont, runState = "running", permittedToRun = false } = options;
  const listeners: ((event: { timestampMs: number }) => void)[] = [];
  const calls: string[] = [];
  const call = (name: string) => () => void calls.push(name);
  const execute = async (command: string) => {
    calls.push(command);
    if (command !== "cont") return { status: runState };
    if (cont) throw cont;
    for (const listener of listeners) listener({ timestampMs: RESUMED_AT_MS });
    return {};
  };
  const guest = {
    qmp: { execute },
    monitor: {
      session: async () => void calls.push("session"),
      on: (_: string, listener: (typeof listeners)[number]) => {
        listeners.push(listener);
        return () => undefined;
      },
    },
    isAlive: true,
    manifest: { permittedToRun, migration: { id: "mig" } },
    note: (change: object) => void calls.push(JSON.stringify(change)),
    noteRunGrant: call("grant"),
    noteContSent: call("sent"),
    revokeRunGrant: call("revoke"),
  } as unknown as Guest;
  const onRefused = vi.fn();
  const run = (before: string) =>
    runGuest(guest, {
      runState: before,
      when: "completed",
      isLoaded: true,
      onRefused,
      onUnrevoked: () => undefined,
      // One attempt.
      signal: AbortSignal.abort(),
    });
  return { run, calls, onRefused };
}

describe("a loaded guest", () => {
  it("that ran is resumed, with nothing written but the run grant", async () => {
    const { run, calls } = loaded();
    expect(await run("running")).toEqual({ runState: "running", atMs: RESUMED_AT_MS });
    expect(calls).toEqual(["session", "grant", "sent", "cont"]);
  });

  it("that slept is resumed and has to be asleep", async () => {
    const asleep = loaded({ runState: "suspended" });
    expect(await asleep.run("suspended")).toMatchObject({ runState: "suspended" });
    expect(asleep.calls).toContain('{"migration":{"id":"mig","runStateBefore":"suspended"}}');
    await expect(loaded({ runState: "paused" }).run("suspended")).rejects.toThrow(
      "left the source suspended, and QEMU reports it paused",
    );
  });

  it.each(["paused", "io-error", "guest-panicked"])(
    "that was %s is not resumed",
    async (before) => {
      const { run, calls } = loaded({ runState: before });
      expect(await run(before)).toMatchObject({ runState: before });
      expect(calls).toContain("grant");
      expect(calls).not.toContain("cont");
    },
  );

  it("in another run state than before has not arrived, and gets no run grant", async () => {
    const { run, calls } = loaded({ runState: "internal-error" });
    await expect(run("paused")).rejects.toThrow("QEMU reports it internal-error");
    expect(calls).not.toContain("grant");
  });

  it("loses its run grant when QEMU refuses `cont`", async () => {
    const { run, calls, onRefused } = loaded({ cont: LOCKED });
    await expect(run("running")).rejects.toThrow(
      'QEMU refuses to run the guest: Failed to get "write" lock',
    );
    expect(calls).toEqual(["session", "grant", "sent", "cont", "revoke"]);
    expect(onRefused).toHaveBeenCalledExactlyOnceWith('Failed to get "write" lock');
  });

  it("keeps its run grant when the answer is missing, or an earlier one was", async () => {
    const late = loaded({ cont: LATE });
    await expect(late.run("running")).rejects.toThrow(LATE);
    expect(late.calls).not.toContain("revoke");
    const again = loaded({ cont: LOCKED, permittedToRun: true });
    await expect(again.run("running")).rejects.toThrow("QEMU refuses");
    expect(again.calls).not.toContain("revoke");
  });
});
