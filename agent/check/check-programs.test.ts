import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { AgentConfig } from "../runtime/config.ts";
import { testFolder } from "../testing/folder.ts";
import { checkPrograms } from "./check-programs.ts";
import { unitsFinding } from "./check-units.ts";

function look(config: object) {
  const fields = { host: "host-a", apiUrl: "http://127.0.0.1:9", runDir: "/r", stateDir: "/s" };
  const findings = checkPrograms(AgentConfig.parse({ ...fields, ...config }));
  return findings.filter(({ level }) => level !== "ok");
}

it("programs that are missing are named with their packages", () => {
  vi.stubEnv("PATH", testFolder());
  expect(look({ resources: { lan: { type: "tap" } } })).toMatchObject([
    {
      subject: "programs",
      level: "wrong",
      found: "no setpriv, timeout, ip on PATH",
      cure: "install util-linux coreutils iproute2",
    },
  ]);
  vi.unstubAllEnvs();
});

it("bridges and files that the configuration names have to be there", () => {
  const resources = {
    lan: { type: "tap", bridge: "nobridge0" },
    key: { type: "file", path: "/nonexistent/key" },
    text: "anything",
  };
  expect(look({ resources })).toMatchObject([
    {
      subject: "resources",
      level: "wrong",
      found: "there is no lan (/sys/class/net/nobridge0), key (/nonexistent/key)",
    },
  ]);
});

it("hooks have to be executable files", () => {
  const path = join(testFolder(), "hook");
  const hooks = { prepare: { command: [path] } };
  expect(look({ hooks })).toMatchObject([{ subject: "hooks", level: "wrong" }]);
  writeFileSync(path, "#!/bin/sh\n");
  expect(look({ hooks })).toMatchObject([{ cure: expect.stringContaining(`chmod +x ${path}`) }]);
  chmodSync(path, 0o755);
  expect(look({ hooks })).toEqual([]);
});

it.each([
  [undefined, false, "ok"],
  [undefined, true, "warning"],
  ["switchyard-guests.slice", false, "wrong"],
] as const)("guests in slice %s where systemd runs (%s): %s", async (slice, isBooted, level) => {
  expect(await unitsFinding(slice, isBooted)).toMatchObject({ subject: "units", level });
});
