import type { Dialogue } from "../dialogue.ts";
import { refused } from "../expectation.ts";
import { since } from "../generation.ts";
import type { Stage } from "../stage.ts";
import type { Vm } from "../vm.ts";

const HOLD_MS = 1_000;
const node = { driver: "null-co", "node-name": "hold", size: 65_536 };
const bitmap = { node: "hold", name: "hold", granularity: 65_536 };
const bitmapCapabilities = ["return-path", "dirty-bitmaps"];
/** 100 MB/s, so that the rate that was measured while nothing was sent does not decide. */
const rate = { "avail-switchover-bandwidth": 100_000_000 };

export const holdDialogues: Dialogue[] = [
  {
    name: "hold/dirty-bitmap",
    claim: "a dirty bitmap with downtime-limit 0 holds the switchover; a real limit releases it",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: bitmapCapabilities });
      const { source } = pair;
      await armBitmap(stage, source);
      await stage.expect("limit 0", source.tune({ "downtime-limit": 0 }), "ok");
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("switchover", source.seen("STOP", HOLD_MS), false);
      await stage.expect("status", source.status(), "active");
      await stage.expect("run state", source.runState(), "running");
      const remove = source.ask("block-dirty-bitmap-remove", { node: "hold", name: "hold" });
      const text = "Bitmap 'hold' is currently in use by another operation and cannot be used";
      await stage.expect("bitmap", remove, refused(text));
      const release = stage.pick<Record<string, number>>({
        "7.2": { "downtime-limit": 2_000_000 },
        "10.0": { "downtime-limit": 300, ...rate },
      });
      await stage.expect("release", source.tune(release), "ok");
      await stage.expect("end", source.until("completed"), "completed");
      await stage.expect("target", pair.target.untilRunState("running"), "running");
      const after = source.ask("block-dirty-bitmap-remove", { node: "hold", name: "hold" });
      await stage.expect("bitmap after", after, "ok");
    },
  },
  {
    name: "hold/dirty-bitmap-cancel",
    claim: "a held migration can be cancelled, and the bitmap is free again",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: bitmapCapabilities });
      const { source } = pair;
      await armBitmap(stage, source);
      await source.tune({ "downtime-limit": 0 });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("switchover", source.seen("STOP", HOLD_MS / 2), false);
      await stage.expect("cancel", source.ask("migrate_cancel"), "ok");
      await source.until(["cancelled", "failed"]);
      await stage.expect("stopped", source.story().includes("STOP"), false);
      const after = source.ask("block-dirty-bitmap-remove", { node: "hold", name: "hold" });
      await stage.expect("bitmap after", after, "ok");
      await stage.expect("node after", source.ask("blockdev-del", { "node-name": "hold" }), "ok");
    },
  },
  {
    name: "hold/dirty-bitmap-paused-target",
    claim: "a hold goes together with pause-before-switchover and a paused target",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        sourceCapabilities: [...bitmapCapabilities, "pause-before-switchover"],
        target: { paused: true },
      });
      const { source } = pair;
      await armBitmap(stage, source);
      await source.tune({ "downtime-limit": 0 });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("switchover", source.seen("STOP", HOLD_MS / 2), false);
      const limit = stage.pick<Record<string, number>>({
        "7.2": { "downtime-limit": 2_000_000 },
        "10.0": { "downtime-limit": 300, ...rate },
      });
      await source.tune(limit);
      await stage.expect("state", source.until("pre-switchover"), "pre-switchover");
      await source.ask("migrate-continue", { state: "pre-switchover" });
      await stage.expect("end", source.until("completed"), "completed");
      await pair.target.until("completed");
      await stage.expect("target", pair.target.runState(), "paused");
    },
  },
  {
    name: "hold/target-killed",
    claim: "the death of the target is noticed while the switchover is held",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: bitmapCapabilities });
      const { source } = pair;
      await armBitmap(stage, source);
      await source.tune({ "downtime-limit": 0 });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("switchover", source.seen("STOP", HOLD_MS / 2), false);
      await pair.target.kill();
      await stage.expect("end", source.until("failed"), "failed");
      await stage.expect("run state", source.runState(), "running");
    },
  },
  {
    name: "hold/downtime-limit-zero",
    claim: "downtime-limit 0 alone does not hold a guest at rest",
    async play(stage) {
      const sourceCapabilities = ["return-path"];
      const parameters = { "downtime-limit": 0 };
      const pair = await stage.pair({ guest: "filled", sourceCapabilities, parameters });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
    },
  },
  {
    name: "hold/downtime-limit-zero-busy",
    claim: "downtime-limit 0 holds a busy guest only from 11.1",
    async play(stage) {
      const pair = await stage.pair({
        guest: "busy",
        sourceCapabilities: ["return-path"],
        parameters: { "downtime-limit": 0 },
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", pair.source.until(["active", "completed"]), /active|completed/);
      const held = !(await pair.source.seen("STOP", 2_000));
      await stage.expect("held", held, stage.pick({ "7.2": false, "11.1": true }));
    },
  },
  {
    name: "hold/available-bandwidth-one",
    claim: "avail-switchover-bandwidth 1 does not hold a guest at rest",
    versions: since("10.0"),
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        sourceCapabilities: ["return-path"],
        parameters: { "avail-switchover-bandwidth": 1 },
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
    },
  },
  {
    name: "hold/busy-guest",
    claim:
      "a guest that writes faster than the link never converges by itself, and does with a larger limit",
    async play(stage) {
      const pair = await stage.pair({
        guest: "busy",
        sourceCapabilities: ["return-path"],
        parameters: { "max-bandwidth": 20_000_000, "downtime-limit": 50 },
      });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("switchover", source.seen("STOP", 2_500), false);
      await stage.expect("status", source.status(), "active");
      await stage.expect("larger", source.tune({ "downtime-limit": 60_000 }), "ok");
      await stage.expect("end", source.until("completed"), "completed");
    },
  },
];

async function armBitmap(stage: Stage, vm: Vm): Promise<void> {
  await stage.expect("node", vm.ask("blockdev-add", node), "ok");
  await stage.expect("bitmap added", vm.ask("block-dirty-bitmap-add", bitmap), "ok");
}
