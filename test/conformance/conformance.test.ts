import { existsSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { dialogues } from "./dialogues.ts";
import { PATIENCE_MS } from "./patience.ts";
import { appliesTo, play } from "./run.ts";
import { MODEL_COMMAND, modelQemu, realQemu, type Subject } from "./subject.ts";

vi.setConfig({ testTimeout: 4 * PATIENCE_MS });

/** A slice that takes seconds; `npm run test:conformance` plays all. */
const slice = [
  "machine/status-names",
  "capability/presence",
  "capability/atomic",
  "capability/target-while-listening",
  "parameter/defaults",
  "parameter/unknown",
  "command/migrate-refusals",
  "command/cont-in-pre-switchover",
  "success/return-path",
  "success/pause-before-switchover",
  "cancel/pre-switchover",
  "failure/target-killed-in-active",
  "handover/paused-target",
  "handover/lost-last-message-paused",
  "ack/legacy",
  "members/completed",
  "acting/sleep",
  "acting/asleep-moves",
  "acting/io-error",
  "disk/lock-on-target",
  "stranger/tls-target-killed",
];

const real = await realQemu(process.env.SWITCHYARD_QEMU || "qemu-system-x86_64").catch(
  () => undefined,
);
const model = existsSync(MODEL_COMMAND) ? modelQemu(real?.version ?? "10.0.2") : undefined;

describe.skipIf(real === undefined)(`real QEMU (${real?.name ?? "none found"})`, () => {
  playSlice(real);
});

describe.skipIf(model === undefined)(`model QEMU (${model?.name ?? "none found"})`, () => {
  playSlice(model);
});

it("plays the same dialogue at most once, by names that are unique", () => {
  const names = dialogues.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toEqual(expect.arrayContaining(slice));
});

function playSlice(subject: Subject | undefined): void {
  for (const dialogue of dialogues.filter(({ name }) => slice.includes(name))) {
    const applies = subject !== undefined && appliesTo(dialogue, subject);
    it.skipIf(!applies)(`${dialogue.name}: ${dialogue.claim}`, async ({ skip }) => {
      if (subject === undefined) return;
      const { verdict, differences } = await play(dialogue, subject);
      skip(verdict === "skipped", "the host does not let QEMU use userfaultfd");
      expect(differences).toEqual([]);
    });
  }
}
