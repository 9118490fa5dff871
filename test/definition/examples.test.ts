import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { AgentConfig } from "../../agent/runtime/config.ts";
import { testFolder } from "../../agent/testing/folder.ts";
import { VmDefinition } from "../../core/vm.ts";
import { qemuBinaries } from "../../rig/guest/testing/qemu-binaries.ts";
import {
  definitions,
  examples,
  MEMORY_BYTES,
  onThisMachine,
  PAGE,
  startable,
} from "./testing/examples.ts";
import { makeFiles, withMachine } from "./testing/start.ts";

describe("the examples of the page about definitions", () => {
  it("are at least one for each field", () => {
    const shown = new Set(definitions.flatMap(({ example }) => Object.keys(example)));
    const fields = Object.keys(VmDefinition.shape);
    const plain = ["uuid", "globals"];
    expect(fields.filter((field) => !shown.has(field) && !plain.includes(field))).toEqual([]);
  });

  it("name each field in the table", () => {
    const page = readFileSync(PAGE, "utf8");
    const [table = ""] = page.split("## Machine");
    const fields = Object.keys(VmDefinition.shape);
    expect(fields.filter((field) => !table.includes(`\`${field}\``))).toEqual([]);
  });

  it("have a configuration of an agent, with each type", () => {
    const config = examples.find(({ example }) => "resources" in example);
    const resources = AgentConfig.shape.resources.parse(config?.example.resources);
    const types = Object.values(resources).map((value) => Object(value).type ?? "text");
    expect(new Set(types).size).toBe(8);
    const allowing = examples.filter(({ example }) => "allow" in example);
    expect(allowing).toHaveLength(1);
    for (const { example } of allowing) AgentConfig.shape.allow.parse(example.allow);
  });

  it.each(definitions)("$name passes the schema", ({ example }) => {
    expect(() => VmDefinition.parse({ memoryBytes: MEMORY_BYTES, ...example })).not.toThrow();
  });

  for (const { version, binary } of qemuBinaries) {
    it.each(startable)(`$name starts QEMU ${version}`, async ({ example }) => {
      const folder = makeFiles(testFolder());
      const { definition, resources } = onThisMachine(example, folder);
      const runDir = join(folder, "r");
      const state = await withMachine({ qemu: binary, definition, runDir, resources }, (guest) =>
        guest.qmp.execute("query-status"),
      );
      expect(state).toMatchObject({ status: "inmigrate", running: false });
    });
  }
});
