import { chmodSync, existsSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startLimitMs } from "../../agent/guest/spawn.ts";
import { describeBinary } from "../../agent/probe/binary.ts";
import { testFolder } from "../../agent/testing/folder.ts";
import { VmDefinition } from "../../core/vm.ts";
import { MODEL_QEMU } from "../../rig/qemu.ts";
import { TestHost } from "./testing/host.ts";
import { VM } from "./testing/pair.ts";

const definition = VmDefinition.parse({ memoryBytes: 32 << 20, machine: "pc" });
const qemu = MODEL_QEMU;

/** A QEMU that is the model after what `script` does. */
function wrapped(script: string): string {
  const path = join(testFolder(), "qemu");
  writeFileSync(path, `#!/bin/bash\n${script}\nexec ${qemu} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Empty: it has been closed meanwhile. */
function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

describe("E6: a start that fails early", () => {
  let host: TestHost;
  beforeEach(() => {
    host = new TestHost("host", { qemu });
  });
  afterEach(() => host.close());
  /** Files of the run directory that this process has open. */
  const openFiles = () =>
    readdirSync("/proc/self/fd")
      .map((fd) => readLink(`/proc/self/fd/${fd}`))
      .filter((path) => path.startsWith(host.config.runDir));

  it.each([
    [
      "an argument that is longer than execve takes",
      { globals: [`x.y=${"x".repeat(140_000)}`] },
      /refused: .*at most 131071 bytes, got \d+ for one `-global`/,
    ],
    [
      "a device above the limit of its schema",
      { devices: [{ driver: "x", serial: "x".repeat(70_000) }] },
      /invalid: .*devices\.0: expected at most 65536 bytes of JSON/,
    ],
  ])("is refused and leaves nothing: %s", async (_, parts, refusal) => {
    for (let n = 1; n <= 3; n += 1) {
      const starting = host.run("guest.start", VM, { definition: { ...definition, ...parts } });
      await expect(starting).rejects.toThrow(refusal);
    }
    expect(openFiles()).toEqual([]);
    expect(existsSync(join(host.config.runDir, VM))).toBe(false);
  });
});

describe("B7: a guest that starts slowly", () => {
  it.each([
    [32 << 20, 30_063],
    [2 ** 40, 900_000],
    [64 * 2 ** 30, 158_000],
  ])("of %i bytes is given %i ms", (memoryBytes, limitMs) => {
    expect(Math.round(startLimitMs(memoryBytes))).toBe(limitMs);
  });
});

describe("E9: a QEMU that does not start with the sandbox", () => {
  const withSandbox = (script: string) =>
    wrapped(`if [[ "$*" == *-sandbox* ]]; then ${script}; fi`);

  it("because its build or its host has no seccomp runs without it", async () => {
    const said = "qemu: -sandbox on: -sandbox support is not enabled in this QEMU binary";
    const binary = withSandbox(`echo "${said}" >&2; exit 1`);
    expect((await describeBinary(binary, testFolder())).sandbox).toBe(false);
  });

  it.each([
    ["another refusal", "echo 'cannot set up guest memory' >&2; exit 1", "guest memory"],
    ["a signal", "echo seccomp >&2; kill -KILL $$", "ended with null"],
  ])("because of %s is an error, and nothing is remembered", async (_, script, message) => {
    const folder = testFolder();
    await expect(describeBinary(withSandbox(script), folder)).rejects.toThrow(message);
    expect(readdirSync(folder)).toEqual([]);
  });
});
