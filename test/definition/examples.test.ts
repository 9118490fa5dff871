import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import * as z from "zod";
import type { Resources } from "../../agent/guest/resources.ts";
import { AgentConfig } from "../../agent/runtime/config.ts";
import { testFolder } from "../../agent/testing/folder.ts";
import { VmDefinition } from "../../core/vm.ts";
import { qemuBinaries } from "../../rig/guest/testing/qemu-binaries.ts";
import { makeFiles, withMachine } from "./testing/start.ts";

const PAGE = fileURLToPath(new URL("../../docs/reference/definition.md", import.meta.url));
const Example = z.record(z.string(), z.json());

/** Each JSON block under the heading above it. */
const examples = [...readFileSync(PAGE, "utf8").matchAll(/^## (.+)|```json\n([\s\S]+?)```/gm)]
  .reduce<{ heading: string; blocks: { name: string; text: string }[] }>(
    ({ heading, blocks }, [, title, text]) => {
      if (text === undefined) return { heading: title ?? "", blocks };
      return { heading, blocks: [...blocks, { name: `${heading}: ${blocks.length}`, text }] };
    },
    { heading: "", blocks: [] },
  )
  .blocks.map(({ name, text }) => ({ name, example: Example.parse(JSON.parse(text)) }));

/** Fields of an agent's configuration. */
const isConfig = (example: object) => "resources" in example || "allow" in example;
const definitions = examples.filter(({ example }) => !isConfig(example));
/** The TPM has a test of its own, tpm.test.ts. Making a tap takes root. */
const startable = definitions.filter(({ name, example }) => {
  const hasTap = JSON.stringify(example).includes('"type":"tap"');
  return !name.startsWith("TPM") && !(hasTap && process.getuid?.() !== 0);
});
const MEMORY_BYTES = 64 * 2 ** 20;

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
      const { definition, resources } = await onThisMachine(example, folder);
      const runDir = join(folder, "r");
      const state = await withMachine({ qemu: binary, definition, runDir, resources }, (guest) =>
        guest.qmp.execute("query-status"),
      );
      expect(state).toMatchObject({ status: "inmigrate", running: false });
    });
  }
});

/** The example with this machine's files, and values for its placeholders. */
async function onThisMachine(example: z.infer<typeof Example>, folder: string) {
  const text = JSON.stringify(example).replaceAll("/srv/guests", folder);
  const parsed = VmDefinition.parse({ memoryBytes: MEMORY_BYTES, ...JSON.parse(text) });
  const resources: Resources = {
    guests: { type: "folder", path: folder },
    pages: { type: "hugepages", path: folder },
    lan: { type: "tap" },
  };
  return { definition: parsed, resources };
}
