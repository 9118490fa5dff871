import { describe, expect, it } from "vitest";
import { guestEndOf } from "./vm-exit.ts";

const by = (reason: string, guest = true) => ({ guest, reason });

describe("a guest's QEMU process that has ended", () => {
  it.each([
    [{ detail: "", shutdown: by("guest-shutdown") }, "stopped", "the guest powered itself off"],
    [
      { detail: "exit code 0", shutdown: by("guest-shutdown") },
      "stopped",
      "the guest powered itself off: exit code 0",
    ],
    [
      { detail: "", shutdown: by("guest-reset") },
      "stopped",
      "the guest ended itself (guest-reset)",
    ],
    [{ detail: "", shutdown: by("guest-panic") }, "panicked", "the guest panicked"],
    [{ detail: "signal 9", panicked: true as const }, "panicked", "the guest panicked: signal 9"],
    [{ detail: "", shutdown: by("host-signal", false) }, "failed", "QEMU was ended (host-signal)"],
    [{ detail: "signal 9" }, "failed", "signal 9"],
    [{ detail: "" }, "failed", "its QEMU process has ended"],
  ] as const)("%j: %s", (exit, state, detail) => {
    expect(guestEndOf(exit)).toEqual({ state, detail });
  });

  it("has a bounded detail", () => {
    expect(guestEndOf({ detail: "x".repeat(10_000) }).detail).toHaveLength(2_000);
  });
});
