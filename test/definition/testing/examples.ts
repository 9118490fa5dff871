import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as z from "zod";
import type { Resources } from "../../../agent/guest/resources.ts";
import { VmDefinition } from "../../../core/vm.ts";

export const PAGE = fileURLToPath(
  new URL("../../../docs/reference/definition.md", import.meta.url),
);
export const Example = z.record(z.string(), z.json());

/** Each JSON block under the heading above it. */
export const examples = [
  ...readFileSync(PAGE, "utf8").matchAll(/^## (.+)|```json\n([\s\S]+?)```/gm),
]
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
export const definitions = examples.filter(({ example }) => !isConfig(example));
/** The TPM has a test of its own, test/agent/firmware.test.ts. Making a tap takes root. */
export const startable = definitions.filter(({ name, example }) => {
  const hasTap = JSON.stringify(example).includes('"type":"tap"');
  return !name.startsWith("TPM") && !(hasTap && process.getuid?.() !== 0);
});
export const MEMORY_BYTES = 64 * 2 ** 20;

/** The example with this machine's files, and values for its placeholders. */
export function onThisMachine(example: z.infer<typeof Example>, folder: string) {
  const text = JSON.stringify(example).replaceAll("/srv/guests", folder);
  const parsed = VmDefinition.parse({ memoryBytes: MEMORY_BYTES, ...JSON.parse(text) });
  const resources: Resources = {
    guests: { type: "folder", path: folder },
    pages: { type: "hugepages", path: folder },
    lan: { type: "tap" },
  };
  return { definition: parsed, resources };
}
