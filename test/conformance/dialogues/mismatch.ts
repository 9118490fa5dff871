import type { Dialogue } from "../dialogue.ts";
import { including, oneOf } from "../expectation.ts";
import { since } from "../generation.ts";
import type { Vm } from "../vm.ts";

const HANG_MS = 800;
const migrationYank = { instances: [{ type: "migration" }] };

export const mismatchDialogues: Dialogue[] = [
  {
    name: "mismatch/multifd-source-only",
    claim: "multifd on the source alone fails",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: ["multifd"] });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("failed"), "failed");
      await stage.expect("run state", pair.source.untilRunState("running"), "running");
    },
  },
  {
    name: "mismatch/multifd-target-only",
    claim: "multifd on the target alone hangs: source active, target setup; yank ends it",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", targetCapabilities: ["multifd"] });
      const { source, target } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", source.until("active"), "active");
      await stage.expect("switchover", source.seen("STOP", HANG_MS), false);
      await stage.expect("source", source.status(), "active");
      await stage.expect("target", target.status(), stage.pick({ "7.2": "none", "10.0": "setup" }));
      await stage.expect("yank", source.ask("yank", migrationYank, { outOfBand: true }), "ok");
      await stage.expect("end", source.until("failed"), "failed");
      await stage.expect("run state", source.runState(), "running");
    },
  },
  {
    name: "mismatch/multifd-target-only-small",
    claim: "without a return path a small source says completed though the target never took it",
    async play(stage) {
      const pair = await stage.pair({ guest: "idle", targetCapabilities: ["multifd"] });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      const waiting = stage.pick({ "7.2": "none", "10.0": "setup" });
      await stage.expect("target", pair.target.status(), waiting);
      await stage.expect("target run state", pair.target.runState(), "inmigrate");
      await stage.expect("source run state", pair.source.runState(), "postmigrate");
    },
  },
  {
    name: "mismatch/more-channels-on-source",
    claim:
      "more multifd channels on the source: 7.2 fails; later the target's QMP mostly hangs until yanked out of band",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        capabilities: ["multifd", "return-path"],
        parameters: { "multifd-channels": 4 },
        targetParameters: { "multifd-channels": 2 },
      });
      const { source, target } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      if (stage.generation === "7.2") {
        await stage.expect("end", source.until("failed"), "failed");
        return;
      }
      await stage.expect("moves on", source.seen("active", HANG_MS), false);
      await stage.expect("source", source.status(), "setup");
      const asked = target.ask("query-status", undefined, { timeoutMs: 500 });
      // The order in which the channels connect decides: about one in twenty leaves QMP alive on
      // 11.1.
      const alive = { status: "inmigrate", running: false };
      await stage.expect("target", asked, oneOf("no answer", alive));
      await stage.expect("target ends with code", yankUntilGone(target), 1);
      await stage.expect("end", source.until("failed"), "failed");
      await stage.expect("run state", source.runState(), "running");
    },
  },
  {
    name: "mismatch/fewer-channels-on-source",
    claim:
      "fewer multifd channels on the source: active for ever, and a cancel sticks until yanked",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        capabilities: ["multifd", "return-path"],
        parameters: { "multifd-channels": 2 },
        targetParameters: { "multifd-channels": 4 },
      });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", source.until("active"), "active");
      await stage.expect("switchover", source.seen("STOP", HANG_MS), false);
      await stage.expect("cancel", source.ask("migrate_cancel"), "ok");
      await stage.expect("sticks", source.until("cancelled", HANG_MS), "still cancelling");
      await stage.expect("yank", source.ask("yank", migrationYank, { outOfBand: true }), "ok");
      const end = source.until(["cancelled", "failed"]);
      await stage.expect("end", end, oneOf("cancelled", "failed"));
      await stage.expect("run state", source.runState(), "running");
    },
  },
  {
    name: "mismatch/compression",
    claim: "another multifd compression fails the source; a 7.2 target may stay active for ever",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        capabilities: ["multifd", "return-path"],
        parameters: { "multifd-compression": "zlib" },
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("failed"), "failed");
      if (stage.generation === "7.2") {
        await stage.expect("target process", pair.target.exit(500), oneOf("running", 1));
      } else {
        await stage.expect("target process", pair.target.exit(), 1);
        const says = /multifd \d: flags received 2 flags expected 0/.test(pair.target.stderr());
        await stage.expect("target says why", says, true);
      }
      await pair.source.seen("failed");
      // Both the sending thread and the migration thread emit it: a state may appear twice.
      const bad = stage.pick({
        "7.2": including("failed"),
        "11.1": including("failing", "failed"),
      });
      await stage.expect("events", pair.source.story(), bad);
      await stage.expect("run state", pair.source.untilRunState("running"), "running");
    },
  },
  {
    name: "mismatch/postcopy-source-only",
    claim: "postcopy-ram on the source alone fails",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        sourceCapabilities: ["return-path", "postcopy-ram"],
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("failed"), "failed");
      await stage.expect("target ends with code", pair.target.exit(), 1);
      const text = "RAM postcopy is disabled but have 16 byte advise";
      await stage.expect("target says", pair.target.stderr().includes(text), true);
      await stage.expect("run state", pair.source.untilRunState("running"), "running");
    },
  },
  {
    name: "mismatch/machine-type",
    claim: "another machine type is refused at the start: the guest is never stopped",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        machine: "pc-i440fx-7.2",
        sourceCapabilities: ["return-path"],
        target: { machine: "pc-i440fx-7.1" },
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("failed"), "failed");
      await stage.expect("stopped", pair.source.story().includes("STOP"), false);
      await stage.expect("target ends with code", pair.target.exit(), 1);
      const text = "Machine type received is 'pc-i440fx-7.2' and local is 'pc-i440fx-7.1'";
      await stage.expect("target says", pair.target.stderr().includes(text), true);
    },
  },
  {
    name: "mismatch/machine-type-unknown",
    claim: "a machine type that the binary does not have keeps it from starting",
    async play(stage) {
      const vm = await stage.vm("target", { incoming: true, machine: "pc-i440fx-99.0" });
      await stage.expect("exit", vm.exit(), 1);
      await stage.expect("says", /unsupported machine type/.test(vm.stderr()), true);
    },
  },
  {
    name: "mismatch/late-multifd",
    claim: "7.2 takes multifd on a listening target and then the migration does not work",
    versions: ["7.2"],
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: ["return-path"] });
      await stage.expect("late", pair.target.set("multifd"), "ok");
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("completes", pair.source.until("completed", HANG_MS), /^still |failed/);
    },
  },
  {
    name: "mismatch/yank-ends-active",
    claim: "yank breaks a running migration: the source fails, its guest runs on",
    versions: since("7.2"),
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        sourceCapabilities: ["return-path"],
        parameters: { "max-bandwidth": 100_000 },
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", pair.source.until("active"), "active");
      await stage.expect("yank", pair.source.ask("yank", migrationYank, { outOfBand: true }), "ok");
      await stage.expect("end", pair.source.until("failed"), "failed");
      await stage.expect("run state", pair.source.runState(), "running");
    },
  },
];

/**
 * A yank closes the channels that exist: one that connects just after it hangs the target again.
 */
async function yankUntilGone(vm: Vm): Promise<string | number> {
  for (let attempt = 0; attempt < 8; attempt += 1) {
    await vm.ask("yank", migrationYank, { outOfBand: true, timeoutMs: 500 });
    const exit = await vm.exit(500);
    if (exit !== "running") return exit;
  }
  return "running";
}
