import type { Dialogue } from "../dialogue.ts";
import { oneOf } from "../expectation.ts";
import type { Pair } from "../pair.ts";
import { type Relay, returnPathTypes } from "../relay.ts";
import type { Stage } from "../stage.ts";

const sourceCapabilities = ["return-path"];

export const handoverDialogues: Dialogue[] = [
  {
    name: "handover/paused-target",
    claim: "a target started with -S has everything and stays paused until cont",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        sourceCapabilities,
        target: { paused: true },
      });
      const { source, target } = pair;
      await stage.expect("before", target.runState(), "inmigrate");
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", source.until("completed"), "completed");
      await stage.expect("target", target.until("completed"), "completed");
      await stage.expect("target run state", target.runState(), "paused");
      await stage.expect("target events", target.story(), ["setup", "active", "completed"]);
      await stage.expect("cont", target.ask("cont"), "ok");
      await stage.expect("then", target.runState(), "running");
      await stage.expect("told", target.seen("RESUME"), true);
      await stage.expect("source run state", source.runState(), "postmigrate");
    },
  },
  {
    name: "handover/stop-on-target",
    claim: "stop on a waiting target has the effect of -S, cont takes it back",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities });
      const { source, target } = pair;
      await stage.expect("stop", target.ask("stop"), "ok");
      await stage.expect("run state", target.runState(), "inmigrate");
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", source.until("completed"), "completed");
      await target.until("completed");
      await stage.expect("target run state", target.runState(), "paused");
    },
  },
  {
    name: "handover/cont-on-target",
    claim: "cont on a target started with -S makes it run as soon as it has everything",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        sourceCapabilities,
        target: { paused: true },
      });
      await stage.expect("cont", pair.target.ask("cont"), "ok");
      await stage.expect("run state", pair.target.runState(), "inmigrate");
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", pair.source.until("completed"), "completed");
      await stage.expect("then", pair.target.untilRunState("running"), "running");
    },
  },
  {
    name: "handover/lost-last-message",
    claim: "when the last message of the return path is lost, both guests run",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities });
      const relay = await loseLastMessage(stage, pair);
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("target", pair.target.until("completed"), "completed");
      await stage.expect("source", pair.source.until("failed"), "failed");
      await stage.expect("lost", relay.seenTypes.at(-1) ?? 0, returnPathTypes.shut);
      await stage.expect("source run state", pair.source.untilRunState("running"), "running");
      await stage.expect("target run state", pair.target.runState(), "running");
    },
  },
  {
    name: "handover/lost-last-message-paused",
    claim: "with the target started paused, the same loss leaves one guest running: the source's",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        sourceCapabilities,
        target: { paused: true },
      });
      await loseLastMessage(stage, pair);
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("target", pair.target.until("completed"), "completed");
      await stage.expect("source", pair.source.until("failed"), "failed");
      await stage.expect("source run state", pair.source.untilRunState("running"), "running");
      await stage.expect("target run state", pair.target.runState(), "paused");
    },
  },
  {
    name: "handover/stopped-source-fails",
    claim: "a source stopped by stop stays stopped when its migration fails",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        sourceCapabilities: ["return-path", "pause-before-switchover"],
      });
      const { source, target } = pair;
      await stage.expect("stop", source.ask("stop"), "ok");
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", source.until("pre-switchover"), "pre-switchover");
      await target.kill();
      await source.ask("migrate-continue", { state: "pre-switchover" });
      await stage.expect("end", source.until("failed"), "failed");
      const stopped = stage.pick({ "7.2": "postmigrate", "10.0": "paused" });
      await stage.expect("run state", source.untilRunState(stopped), stopped);
    },
  },
  {
    name: "handover/exit-after-completed",
    claim: "a finished source ends on quit with code 0, and the target is not affected",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        sourceCapabilities,
        target: { paused: true },
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", pair.source.until("completed"), "completed");
      await stage.expect("quit", pair.source.ask("quit"), oneOf("ok", "closed"));
      await stage.expect("exit", pair.source.exit(), 0);
      await pair.target.until("completed");
      await stage.expect("cont", pair.target.ask("cont"), "ok");
      await stage.expect("run state", pair.target.runState(), "running");
    },
  },
];

async function loseLastMessage(stage: Stage, pair: Pair): Promise<Relay> {
  const relay = await stage.relay(pair.port, (type) =>
    type === returnPathTypes.shut ? "drop" : "pass",
  );
  pair.through(relay);
  return relay;
}
