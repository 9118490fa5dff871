import type { Dialogue } from "../dialogue.ts";
import { including, oneOf, refused } from "../expectation.ts";
import { since } from "../generation.ts";
import { slow } from "../pair.ts";
import type { Stage } from "../stage.ts";

const paused = ["return-path", "pause-before-switchover"];

export const failureDialogues: Dialogue[] = [
  {
    name: "cancel/active",
    claim:
      "a cancel in active ends in cancelled or failed, the guest runs on, and migrate works again",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow });
      const { source, target } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await target.until("active");
      await stage.expect("source", source.until("active"), "active");
      await stage.expect("cancel", source.ask("migrate_cancel"), "ok");
      const end = await source.until(["cancelled", "failed"]);
      await stage.expect("end", end, oneOf("cancelled", "failed"));
      await stage.expect(
        "events",
        source.story(),
        oneOf(
          ["setup", "active", "cancelling", "cancelled"],
          ["setup", "active", "failed"],
          ["setup", "active", "cancelling", "failed"],
        ),
      );
      await stage.expect("run state", source.runState(), "running");
      await stage.expect("target ends with code", target.exit(), 1);
      await stage.expect("again", pair.migrate(), "ok");
      await stage.expect("nobody there", source.until("failed"), "failed");
    },
  },
  {
    name: "cancel/pre-switchover",
    claim: "a cancel in pre-switchover lets the guest run again before it says cancelled",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: paused });
      const { source, target } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", source.until("pre-switchover"), "pre-switchover");
      await stage.expect("cancel", source.ask("migrate_cancel"), "ok");
      await stage.expect("end", source.until("cancelled"), "cancelled");
      await source.seen("cancelled");
      // The cancel first wakes the waiting thread, which may get as far as `device`.
      const before = ["setup", "active", "STOP", "pre-switchover"];
      const end = ["cancelling", "RESUME", "cancelled"];
      const story = oneOf([...before, ...end], [...before, "device", ...end]);
      await stage.expect("events", source.story(), story);
      await stage.expect("run state", source.runState(), "running");
      await stage.expect("target ends with code", target.exit(), 1);
      await stage.expect("target events", target.story(), ["setup", "active", "failed"]);
    },
  },
  {
    name: "cancel/idle",
    claim: "migrate_cancel does nothing where nothing migrates, on either side",
    async play(stage) {
      const source = await stage.vm("source");
      const target = await stage.vm("target", { incoming: true });
      await stage.expect("source", source.ask("migrate_cancel"), "ok");
      await stage.expect("source status", source.status(), "none");
      await stage.expect("target", target.ask("migrate_cancel"), "ok");
      await target.ask("migrate-incoming", { uri: "tcp:127.0.0.1:0" });
      await stage.expect("listening target", target.ask("migrate_cancel"), "ok");
      const listening = stage.pick({ "7.2": "none", "10.0": "setup" });
      await stage.expect("target status", target.status(), listening);
    },
  },
  {
    name: "failure/target-killed-in-active",
    claim: "when the target dies in active the source fails at once and the guest is untouched",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow });
      const { source, target } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", source.until("active"), "active");
      await target.until("active");
      await target.kill();
      await stage.expect("end", source.until("failed"), "failed");
      await source.seen("failed");
      const story = stage.pick({
        "7.2": ["setup", "active", "failed"],
        "11.1": ["setup", "active", "failing", "failed"],
      });
      await stage.expect("events", source.story(), story);
      await stage.expect("run state", source.runState(), "running");
      const { "error-desc": text = "none" } = await source.migration();
      await stage.expect("error text", text, /^.+/);
    },
  },
  {
    name: "failure/target-killed-in-pre-switchover",
    claim:
      "when the target dies in pre-switchover nothing is told and the guest stays stopped until told to go on",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: paused });
      const { source, target } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", source.until("pre-switchover"), "pre-switchover");
      await target.kill();
      const text = async () => "error-desc" in (await source.migration());
      await source.waitFor(text, stage.pick({ "7.2": 300, "10.0": 3_000 }));
      await stage.expect("error text", text(), stage.pick({ "7.2": false, "10.0": true }));
      await stage.expect("status", source.status(), "pre-switchover");
      await stage.expect("run state", source.runState(), "finish-migrate");
      await stage.expect("events", source.story(), ["setup", "active", "STOP", "pre-switchover"]);
      const go = { state: "pre-switchover" };
      await stage.expect("continue", source.ask("migrate-continue", go), "ok");
      await stage.expect("end", source.until("failed"), "failed");
      await stage.expect("run state after", source.untilRunState("running"), "running");
      await source.seen("RESUME");
      await stage.expect("events after", source.story().slice(4), failedAfterDevice(stage));
    },
  },
  {
    name: "failure/target-killed-then-cancel",
    claim: "a cancel frees the guest from a pre-switchover whose target died",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: paused });
      const { source, target } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", source.until("pre-switchover"), "pre-switchover");
      await target.kill();
      await stage.expect("cancel", source.ask("migrate_cancel"), "ok");
      const end = source.until(["cancelled", "failed"]);
      await stage.expect("end", end, oneOf("cancelled", "failed"));
      await stage.expect("run state", source.untilRunState("running"), "running");
    },
  },
  {
    name: "failure/source-killed",
    claim: "when the source dies the target fails and its process ends with code 1",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("target", pair.target.until("active"), "active");
      await pair.source.kill();
      await stage.expect("exit", pair.target.exit(), 1);
      await stage.expect("events", pair.target.story(), ["setup", "active", "failed"]);
    },
  },
  {
    name: "failure/exit-on-error-false",
    claim: "with exit-on-error false the target stays, failed and of no use",
    versions: since("10.0"),
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow, stayOnError: true });
      const { source, target } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("target", target.until("active"), "active");
      await source.kill();
      await stage.expect("end", target.until("failed"), "failed");
      await stage.expect("run state", target.runState(), "inmigrate");
      const { "error-desc": text = "none" } = await target.migration();
      await stage.expect("error text", text, /^.+/);
      const again = target.ask("migrate-incoming", { uri: "tcp:127.0.0.1:0" });
      const refusal = refused("The incoming migration has already been started");
      await stage.expect("migrate-incoming again", again, refusal);
      await stage.expect("process", target.exit(100), "running");
    },
  },
  {
    name: "failure/exit-on-error-unknown",
    claim: "7.2 does not know exit-on-error",
    versions: ["7.2"],
    async play(stage) {
      const target = await stage.vm("target", { incoming: true });
      const uri = "tcp:127.0.0.1:0";
      const answer = target.ask("migrate-incoming", { uri, "exit-on-error": false });
      await stage.expect("answer", answer, refused("Parameter 'exit-on-error' is unexpected"));
    },
  },
  {
    name: "failure/target-hangs",
    claim: "a target that hangs is not noticed; a cancel ends it",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", memoryMebibytes: 64, parameters: slow });
      const { source, target } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("target", target.until("active"), "active");
      target.signal("SIGSTOP");
      await stage.expect("nothing is told", source.seen("failed", 500), false);
      await stage.expect("status", source.status(), "active");
      await stage.expect("cancel", source.ask("migrate_cancel"), "ok");
      const end = await source.until(["cancelled", "failed"]);
      await stage.expect("end", end, oneOf("cancelled", "failed"));
      await stage.expect("run state", source.runState(), "running");
    },
  },
  {
    name: "failure/nobody-there",
    claim: "a connection that is refused is told by the status, not by the answer",
    async play(stage) {
      const source = await stage.vm("source");
      await source.set("events");
      await stage.expect("migrate", source.ask("migrate", { uri: "tcp:127.0.0.1:1" }), "ok");
      await stage.expect("end", source.until("failed"), "failed");
      await source.seen("failed");
      const story = stage.pick({
        "7.2": ["setup", "failed"],
        "11.1": ["setup", "failing", "failed"],
      });
      await stage.expect("events", source.story(), story);
      const { "error-desc": text = "none" } = await source.migration();
      await stage.expect(
        "error text",
        text,
        "Failed to connect to '127.0.0.1:1': Connection refused",
      );
      await stage.expect("run state", source.runState(), "running");
    },
  },
  {
    name: "failure/memory-mismatch",
    claim: "another memory size is refused at the start: the guest is never stopped",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        sourceCapabilities: ["return-path"],
        target: { memoryMebibytes: 64 },
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("failed"), "failed");
      await stage.expect("stopped", pair.source.story().includes("STOP"), false);
      await stage.expect("target ends with code", pair.target.exit(), 1);
      await stage.expect("run state", pair.source.runState(), "running");
    },
  },
  {
    name: "failure/device-mismatch",
    claim: "another set of devices is noticed only after STOP: the guest resumes",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        sourceCapabilities: ["return-path"],
        source: { more: ["-device", "virtio-rng-pci"] },
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("failed"), "failed");
      await stage.expect("run state", pair.source.untilRunState("running"), "running");
      await pair.source.seen("RESUME");
      const story = stage.pick({
        "7.2": ["STOP", "failed", "RESUME"],
        "10.0": ["STOP", "device", "failed", "RESUME"],
        "11.1": ["STOP", "device", "failing", "RESUME", "failed"],
      });
      await stage.expect("events", pair.source.story().slice(2), story);
      await stage.expect("target ends with code", pair.target.exit(), 1);
    },
  },
  {
    name: "failure/stop-in-pre-switchover",
    claim: "stop in pre-switchover is answered, but a cancel still resumes the guest",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: paused });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", source.until("pre-switchover"), "pre-switchover");
      await stage.expect("stop", source.ask("stop"), "ok");
      await stage.expect("cancel", source.ask("migrate_cancel"), "ok");
      await stage.expect("end", source.until("cancelled"), "cancelled");
      await stage.expect("run state", source.runState(), "running");
    },
  },
  {
    name: "failure/quit-in-active",
    claim: "quit on a source that migrates ends it soon, and the target fails",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("target", pair.target.until("active"), "active");
      await stage.expect("quit", pair.source.ask("quit"), "ok");
      await stage.expect("exit", pair.source.exit(), 0);
      await stage.expect("told", pair.source.story(), including("SHUTDOWN"));
      await stage.expect("target exit", pair.target.exit(), 1);
    },
  },
];

/** Events of a source whose target is found exited after the guest stopped. */
function failedAfterDevice(stage: Stage): string[] {
  return stage.pick({
    "7.2": ["device", "failed", "RESUME"],
    "11.1": ["device", "failing", "RESUME", "failed"],
  });
}
