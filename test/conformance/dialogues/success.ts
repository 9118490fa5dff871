import type { Dialogue } from "../dialogue.ts";
import type { Stage } from "../stage.ts";

export const successDialogues: Dialogue[] = [
  {
    name: "success/return-path",
    claim: "with a return path the source says completed last, after the target runs",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", capabilities: ["return-path"] });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", pair.source.until("completed"), "completed");
      await stage.expect("target", pair.target.until("completed"), "completed");
      await stage.expect("source events", pair.source.story(), sourceStory(stage));
      const target = ["setup", "active", "RESUME", "completed"];
      await stage.expect("target events", pair.target.story(), target);
      const order = ["source STOP", "target RESUME", "source completed"];
      await stage.expect("order", pair.order(...order), order);
      await stage.expect("source run state", pair.source.runState(), "postmigrate");
      await stage.expect("target run state", pair.target.runState(), "running");
      // Refused while it listens; a guest that has arrived may be migrated with it.
      await stage.expect("multifd afterwards", pair.target.set("multifd"), "ok");
    },
  },
  {
    name: "success/no-return-path",
    claim: "without a return path the source says completed whatever the target does",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled" });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", pair.source.until("completed"), "completed");
      await stage.expect("target", pair.target.until("completed"), "completed");
      await stage.expect("source events", pair.source.story(), sourceStory(stage));
      const target = ["setup", "active", "RESUME", "completed"];
      await stage.expect("target events", pair.target.story(), target);
      const order = ["source STOP", "target completed"];
      await stage.expect("order", pair.order(...order), order);
    },
  },
  {
    name: "success/pause-before-switchover",
    claim: "in pre-switchover the guest is stopped already; migrate-continue goes on",
    async play(stage) {
      const sourceCapabilities = ["return-path", "pause-before-switchover"];
      const pair = await stage.pair({ guest: "filled", sourceCapabilities });
      const { source, target } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", source.until("pre-switchover"), "pre-switchover");
      await stage.expect("events", source.story(), ["setup", "active", "STOP", "pre-switchover"]);
      await stage.expect("source run state", source.runState(), "finish-migrate");
      await stage.expect("target", target.status(), "active");
      await stage.expect("target run state", target.runState(), "inmigrate");
      const go = { state: "pre-switchover" };
      await stage.expect("continue", source.ask("migrate-continue", go), "ok");
      await stage.expect("end", source.until("completed"), "completed");
      await target.until("completed");
      await stage.expect("target events", target.story(), [
        "setup",
        "active",
        "RESUME",
        "completed",
      ]);
      const all = ["setup", "active", "STOP", "pre-switchover", "device", "completed"];
      await stage.expect("source events", source.story(), all);
      const order = ["source pre-switchover", "source device", "target RESUME", "source completed"];
      await stage.expect("order", pair.order(...order), order);
    },
  },
  {
    name: "success/events-off",
    claim:
      "without the capability no MIGRATION comes, STOP and RESUME do; 7.2 tells setup all the same",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", events: false });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", pair.source.until("completed"), "completed");
      await stage.expect("target", pair.target.until("completed"), "completed");
      await stage.expect("source events", pair.source.story(), ["STOP"]);
      const target = stage.pick({ "7.2": ["setup", "RESUME"], "10.0": ["RESUME"] });
      await stage.expect("target events", pair.target.story(), target);
      await stage.expect("passes", pair.source.passes.count, 0);
    },
  },
  {
    name: "success/passes",
    claim: "passes are told from 1, from 11.1 on from 2",
    async play(stage) {
      const pair = await stage.pair({ guest: "busy", parameters: { "max-bandwidth": 50_000_000 } });
      await stage.expect("migrate", pair.migrate(), "ok");
      await pair.source.waitFor(() => pair.source.passes.count > 1);
      await stage.expect("first", pair.source.passes.first, stage.pick({ "7.2": 1, "11.1": 2 }));
      await stage.expect("on target", pair.target.passes.count, 0);
    },
  },
  {
    name: "success/paused-source",
    claim: "a source that was paused arrives paused, and no STOP or RESUME is told",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: ["return-path"] });
      const { source, target } = pair;
      await stage.expect("stop", source.ask("stop"), "ok");
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", source.until("completed"), "completed");
      await target.until("completed");
      await stage.expect("target run state", target.runState(), "paused");
      await stage.expect("target events", target.story(), ["setup", "active", "completed"]);
      await stage.expect("source run state", source.runState(), "postmigrate");
      const story = stage.pick({
        "7.2": ["STOP", "setup", "active", "completed"],
        "10.0": ["STOP", "setup", "active", "device", "completed"],
      });
      await stage.expect("source events", source.story(), story);
    },
  },
  {
    name: "success/multifd",
    claim: "multifd with equal channels on both sides completes",
    async play(stage) {
      const four = { "multifd-channels": 4 };
      const pair = await stage.pair({
        guest: "filled",
        capabilities: ["multifd", "return-path"],
        parameters: four,
        targetParameters: four,
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", pair.source.until("completed"), "completed");
      await stage.expect("source events", pair.source.story(), sourceStory(stage));
      await stage.expect("target run state", pair.target.untilRunState("running"), "running");
    },
  },
  {
    name: "success/one-sided",
    claim: "capabilities of the source alone need nothing of the target",
    async play(stage) {
      const plain = ["auto-converge", "xbzrle", "release-ram", "validate-uuid", "dirty-bitmaps"];
      const sourceCapabilities = ["return-path", ...plain];
      const pair = await stage.pair({ guest: "filled", sourceCapabilities });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", pair.source.until("completed"), "completed");
      await stage.expect("target run state", pair.target.untilRunState("running"), "running");
    },
  },
  {
    name: "success/target-capabilities-only",
    claim: "return-path and postcopy-ram on the target alone change nothing",
    needs: "userfaultfd",
    async play(stage) {
      const targetCapabilities = ["return-path", "postcopy-ram"];
      const pair = await stage.pair({ guest: "filled", targetCapabilities });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", pair.source.until("completed"), "completed");
      await stage.expect("target run state", pair.target.untilRunState("running"), "running");
    },
  },
  {
    name: "success/channels-argument",
    claim: "migrate and migrate-incoming take channels from 8.2",
    async play(stage) {
      const source = await stage.vm("source");
      const target = await stage.vm("target", { incoming: true });
      const address = { transport: "socket", type: "inet", host: "127.0.0.1", port: "0" };
      const channels = [{ "channel-type": "main", addr: address }];
      const answer = await target.ask("migrate-incoming", { channels });
      const unknown = "GenericError: Parameter 'uri' is missing";
      await stage.expect("incoming", answer, stage.pick({ "7.2": unknown, "10.0": "ok" }));
      if (answer !== "ok") return;
      const [{ port } = { port: "0" }] = (await target.migration())["socket-address"] as {
        port: string;
      }[];
      const there = [{ "channel-type": "main", addr: { ...address, port } }];
      await stage.expect("migrate", source.ask("migrate", { channels: there }), "ok");
      await stage.expect("source", source.until("completed"), "completed");
      const both = source.ask("migrate", { channels: there, uri: "tcp:127.0.0.1:1" });
      await stage.expect("both", both, /^GenericError: /);
    },
  },
];

/** Events of a source that moves a running guest without a pause. */
function sourceStory(stage: Stage): string[] {
  return stage.pick({
    "7.2": ["setup", "active", "STOP", "completed"],
    "10.0": ["setup", "active", "STOP", "device", "completed"],
  });
}
