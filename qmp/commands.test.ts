import { describe, expect, expectTypeOf, it } from "vitest";
import {
  type ArgumentsOf,
  commands,
  type ExecuteArguments,
  isOobCommand,
  type QmpCommandMap,
  type ReturnOf,
} from "./commands.ts";

describe("commands", () => {
  it("accepts unknown statuses and members of query-migrate", () => {
    const info = { status: "polishing", ram: ram(), "new-member": [1] };
    expect(commands["query-migrate"].returns.parse(info)).toEqual(info);
    expect(commands["query-migrate"].returns.parse({})).toEqual({});
  });

  it("clamps figures and keeps parameters lossless", () => {
    const info = { status: "active", "expected-downtime": 2n ** 63n - 1n };
    expect(commands["query-migrate"].returns.parse(info)).toMatchObject({
      "expected-downtime": Number.MAX_SAFE_INTEGER,
    });
    const parameters = { "max-bandwidth": 2n ** 64n - 1n };
    expect(commands["query-migrate-parameters"].returns.parse(parameters)).toEqual(parameters);
  });

  it.each([
    ["query-status", {}],
    ["query-status", { running: "yes", status: "running" }],
    ["query-migrate", { status: 1 }],
    ["query-migrate", []],
    ["query-migrate-capabilities", [{ capability: "events" }]],
    ["query-memory-size-summary", { "base-memory": "32M" }],
  ] as const)("refuses a malformed answer to %s", (name, answer) => {
    expect(commands[name].returns.safeParse(answer).success).toBe(false);
  });

  it("runs exactly the commands out-of-band that QEMU allows", () => {
    expect(Object.keys(commands).filter(isOobCommand).sort()).toEqual([
      "migrate-pause",
      "migrate-recover",
      "query-yank",
      "yank",
    ]);
  });

  it("types arguments and answers", () => {
    expectTypeOf<ReturnOf<"qom-get">>().toBeUnknown();
    expectTypeOf<ReturnOf<"query-status">["running"]>().toEqualTypeOf<boolean>();
    expectTypeOf<ArgumentsOf<"migrate-recover">>().toEqualTypeOf<{ readonly uri: string }>();
    expectTypeOf<QmpCommandMap["query-target"]["returns"]["arch"]>().toBeString();
    expectTypeOf<{ uri: "tcp:h:1"; resume: true }>().toExtend<ArgumentsOf<"migrate">>();
    expectTypeOf<{ resume: true }>().not.toExtend<ArgumentsOf<"migrate">>();
    expectTypeOf<{ "command-line": "info status" }>().not.toExtend<
      ArgumentsOf<"human-monitor-command">
    >();
    expectTypeOf<[]>().toExtend<ExecuteArguments<ArgumentsOf<"stop">, object>>();
    expectTypeOf<[]>().toExtend<ExecuteArguments<ArgumentsOf<"query-machines">, object>>();
    expectTypeOf<[]>().not.toExtend<ExecuteArguments<ArgumentsOf<"yank">, object>>();
  });
});

function ram() {
  return { transferred: 1, remaining: 2, total: 3, mbps: 0.5 };
}
