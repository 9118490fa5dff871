import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Guest } from "../../agent/guest/guest.ts";
import { testFolder } from "../../agent/testing/folder.ts";
import { isQmpEvent } from "../../qmp/events.ts";
import { qemuBinaries } from "../../rig/guest/testing/qemu-binaries.ts";
import { onThisMachine, startable } from "./testing/examples.ts";
import { makeFiles, withMachine } from "./testing/start.ts";

const ENDS = ["completed", "failed", "cancelled"];
/** On a busy machine. */
const MOVE_MS = 60_000;

/** taps.test.ts moves a guest with a tap, between hosts: here both would have one name. */
const movable = startable.filter(
  ({ example }) => !JSON.stringify(example).includes('"type":"tap"'),
);

describe("a guest of each example of the page about definitions", () => {
  for (const { version, binary } of qemuBinaries) {
    it.each(movable)(`$name moves by QEMU ${version}`, async ({ example }) => {
      const folder = makeFiles(testFolder());
      const { definition, resources } = onThisMachine(example, folder);
      const at = (side: string) => ({
        qemu: binary,
        definition,
        resources,
        runDir: join(folder, side),
      });
      await withMachine({ ...at("a"), incoming: false }, (source) =>
        withMachine(at("b"), async (target) => {
          await move(source, target, `unix:${join(folder, "migration")}`);
          expect(await target.qmp.execute("query-status")).toMatchObject({ status: "running" });
        }),
      );
    });
  }
});

async function move(source: Guest, target: Guest, uri: string): Promise<void> {
  const capabilities = [{ capability: "events", state: true }];
  await source.qmp.executeAny("migrate-set-capabilities", { capabilities });
  await target.qmp.executeAny("migrate-set-capabilities", { capabilities });
  const ended = [source, target].map(({ qmp }) =>
    qmp.waitFor((event) => isQmpEvent(event, "MIGRATION") && ENDS.includes(event.data.status), {
      timeoutMs: MOVE_MS,
    }),
  );
  await target.qmp.executeAny("migrate-incoming", { uri });
  await source.qmp.executeAny("migrate", { uri });
  for (const end of await Promise.all(ended)) {
    expect(end).toMatchObject({ data: { status: "completed" } });
  }
  await target.qmp.execute("cont");
}
