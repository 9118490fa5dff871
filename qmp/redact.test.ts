import { expect, it } from "vitest";
import { redactArguments } from "./redact.ts";

it("keeps the arguments of a command, without secrets at any depth", () => {
  const args = {
    "qom-type": "secret",
    id: "s0",
    data: "hunter2",
    list: [{ password: "hunter2", port: 2n ** 63n, none: null }],
  };
  expect(redactArguments(args)).toEqual({
    "qom-type": "secret",
    id: "s0",
    data: "[redacted]",
    list: [{ password: "[redacted]", port: 2n ** 63n, none: null }],
  });
  expect(args.data).toBe("hunter2");
  expect(redactArguments(undefined)).toEqual({});
});

it.each([
  ["qom-set", { path: "/objects/s0", property: "data", value: "hunter2" }],
  ["set_password", { protocol: "vnc", password: "hunter2" }],
  ["blockdev-add", { driver: "luks", "key-secret": "hunter2" }],
])("has no secret of %s", (_, args) => {
  expect(JSON.stringify(redactArguments(args))).not.toContain("hunter2");
});
