import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { CommandId, VmId } from "../../core/id.ts";
import { QmpCommandError, QmpDisconnectedError, QmpTimeoutError } from "../../qmp/error.ts";
import { CommandRefusedError, toCommandError } from "./command-error.ts";

const command = {
  id: CommandId.parse("vm1.guest-start.1"),
  verb: "guest.start",
  vm: VmId.parse("vm1"),
} as const;

it.each([
  [new CommandRefusedError("not-found", "no guest"), { code: "not-found", message: "no guest" }],
  [
    new CommandRefusedError("qemu", "Failed to start", { cause: new Error("ended with 1") }),
    { code: "qemu", message: "Failed to start: ended with 1" },
  ],
  [
    new QmpTimeoutError("quit", 5, true),
    { code: "timeout", message: "Expected `quit` to finish within 5 ms" },
  ],
  [
    new QmpCommandError("cont", "GenericError", "not now"),
    { code: "qemu", message: "Failed to run `cont`: not now" },
  ],
  [new QmpDisconnectedError("QEMU is away"), { code: "qemu", message: "QEMU is away" }],
])("reports %s with its text", (error, expected) => {
  expect(toCommandError(error, command)).toEqual(expected);
});

it("reports what the operating system refused", () => {
  const error = catching(() => readFileSync("/nowhere/file"));
  const { code, message } = toCommandError(error, command);
  expect(code).toBe("internal");
  expect(message).toMatch(/^The agent failed to run guest\.start for vm1: ENOENT/);
});

it.each([new Error("Expected a migration under way"), new TypeError("x is undefined"), "text"])(
  "refers to the log for the agent's own fault: %s",
  (error) => {
    const { code, message } = toCommandError(error, command);
    expect(code).toBe("internal");
    expect(message).toBe(
      "The agent failed to run guest.start for vm1: its log has the cause, under command vm1.guest-start.1",
    );
  },
);

function catching(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return expect.unreachable();
}
