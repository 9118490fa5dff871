import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { AgentConfig } from "../runtime/config.ts";
import { testFolder } from "../testing/folder.ts";
import { checkQemu, versionFinding } from "./check-qemu.ts";

const fields = {
  host: "host-a",
  apiUrl: "http://127.0.0.1:9",
  runDir: "/run/sy",
  stateDir: "/nonexistent",
};

it.each([
  [{ major: 6, minor: 2 }, true, "wrong", /older than 7\.2/],
  [{ major: 7, minor: 2 }, true, "warning", /has no switchover ACK/],
  [{ major: 8, minor: 1 }, true, "ok", /^QEMU 8\.1\.3, \/usr\/bin\/qemu$/],
  [{ major: 10, minor: 0 }, false, "warning", /cannot be seen/],
  [{ major: 11, minor: 1 }, true, "ok", /11\.1/],
  [{ major: 11, minor: 2 }, true, "warning", /newer than 11\.1/],
] as const)("QEMU %j with its trace log %s is %s", (version, traceLog, level, found) => {
  const probe = { version: { ...version, micro: 3, package: "" }, traceLog };
  expect(versionFinding({ ...probe, binary: "/usr/bin/qemu 1 2" })).toMatchObject({
    subject: "qemu",
    level,
    found: expect.stringMatching(found),
  });
});

it("a QEMU that is not there, or does not start, is wrong, in its own words", async () => {
  const absent = AgentConfig.parse({ ...fields, qemu: "/nonexistent/qemu" });
  expect(await checkQemu(absent)).toEqual([
    {
      subject: "qemu",
      level: "wrong",
      found: expect.stringContaining("/nonexistent/qemu"),
      cure: expect.stringContaining("set `qemu`"),
    },
  ]);
  const qemu = join(testFolder(), "qemu");
  writeFileSync(qemu, "#!/bin/sh\necho 'libfdt.so.1: cannot open' >&2\nexit 127\n");
  chmodSync(qemu, 0o755);
  const [finding] = await checkQemu(AgentConfig.parse({ ...fields, qemu }));
  expect(finding).toMatchObject({
    level: "wrong",
    found: expect.stringContaining("libfdt.so.1: cannot open"),
  });
});
