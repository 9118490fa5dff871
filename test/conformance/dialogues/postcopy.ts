import type { Dialogue } from "../dialogue.ts";
import { including, oneOf, refused } from "../expectation.ts";
import type { Pair } from "../pair.ts";
import type { Stage } from "../stage.ts";

const capabilities = ["return-path", "postcopy-ram"];
/** Slow enough that postcopy lasts, and the guest's memory is still on the source. */
const parameters = { "max-bandwidth": 200_000, "max-postcopy-bandwidth": 200_000 };

export const postcopyDialogues: Dialogue[] = [
  {
    name: "postcopy/completes",
    claim: "postcopy moves the guest first and its memory after it",
    needs: "userfaultfd",
    async play(stage) {
      const pair = await postcopyPair(stage);
      const { source, target } = pair;
      await stage.expect("source run state", source.runState(), "finish-migrate");
      await stage.expect(
        "source cont",
        source.ask("cont"),
        refused("Migration is not finalized yet"),
      );
      await source.tune({ "max-postcopy-bandwidth": 0 });
      await stage.expect("end", source.until("completed"), "completed");
      await stage.expect("target end", target.until("completed"), "completed");
      const story = stage.pick({
        "7.2": ["setup", "active", "postcopy-active", "STOP", "completed"],
        "10.0": ["setup", "active", "STOP", "device", "postcopy-active", "completed"],
        "11.1": [
          "setup",
          "active",
          "STOP",
          "device",
          "postcopy-device",
          "postcopy-active",
          "completed",
        ],
      });
      await stage.expect("events", source.story(), story);
    },
  },
  {
    name: "postcopy/with-pause",
    claim: "with pause-before-switchover postcopy stops in pre-switchover first",
    needs: "userfaultfd",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        capabilities,
        sourceCapabilities: ["pause-before-switchover"],
        parameters,
      });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", source.until("active"), "active");
      await stage.expect("start", source.ask("migrate-start-postcopy"), "ok");
      await stage.expect("gate", source.until("pre-switchover"), "pre-switchover");
      await source.ask("migrate-continue", { state: "pre-switchover" });
      await stage.expect("then", source.until("postcopy-active"), "postcopy-active");
    },
  },
  {
    name: "postcopy/cancel",
    claim: "postcopy cannot be cancelled; 7.2 takes the command and loses the guest",
    needs: "userfaultfd",
    async play(stage) {
      const pair = await postcopyPair(stage);
      const refusal = refused("Postcopy migration in progress, cannot cancel.");
      const answer = stage.pick({ "7.2": "ok", "10.0": refusal });
      await stage.expect("cancel", pair.source.ask("migrate_cancel"), answer);
      if (stage.generation === "7.2") {
        await stage.expect("source", pair.source.until("cancelled"), "cancelled");
        await stage.expect(
          "source run state",
          pair.source.runState(),
          oneOf("postmigrate", "finish-migrate"),
        );
      } else {
        await stage.expect("source", pair.source.status(), "postcopy-active");
      }
    },
  },
  {
    name: "postcopy/recover",
    claim: "a cut link pauses both sides, and a new connection brings them together again",
    needs: "userfaultfd",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", capabilities, parameters });
      const { source, target } = pair;
      const relay = await stage.relay(pair.port);
      pair.through(relay);
      await startPostcopy(stage, pair);
      relay.cut();
      await stage.expect("source pauses", source.until("postcopy-paused"), "postcopy-paused");
      await stage.expect("target pauses", target.until("postcopy-paused"), "postcopy-paused");
      await stage.expect(
        "source cont",
        source.ask("cont"),
        refused("Migration is not finalized yet"),
      );
      const dead = source.ask("migrate", { uri: "tcp:127.0.0.1:1", resume: true });
      await stage.expect("resume to nowhere", dead, "ok");
      await stage.expect("paused again", source.until("postcopy-paused"), "postcopy-paused");
      const uri = "tcp:127.0.0.1:0";
      const oob = { outOfBand: true };
      await stage.expect("recover", target.ask("migrate-recover", { uri }, oob), "ok");
      const listening = async () => "socket-address" in (await target.migration());
      await stage.expect("listens", target.waitFor(listening, 3_000), true);
      const [{ port } = { port: "0" }] = (await target.migration())["socket-address"] as {
        port: string;
      }[];
      await source.tune({ "max-postcopy-bandwidth": 0 });
      const resume = { uri: `tcp:127.0.0.1:${port}`, resume: true };
      await stage.expect("resume", source.ask("migrate", resume), "ok");
      await stage.expect("end", source.until("completed"), "completed");
      await stage.expect("target end", target.until("completed"), "completed");
      const states = stage.pick({
        "7.2": ["postcopy-paused", "postcopy-recover", "postcopy-active", "completed"],
        "10.0": ["postcopy-paused", "postcopy-recover-setup", "postcopy-recover", "completed"],
      });
      await stage.expect("events", source.story(), including(...states));
    },
  },
  {
    name: "postcopy/blocktime",
    claim: "the target tells how long postcopy held its guest up, if asked to",
    needs: "userfaultfd",
    async play(stage) {
      const pair = await postcopyPair(stage, ["postcopy-blocktime"]);
      await pair.source.tune({ "max-postcopy-bandwidth": 0 });
      await stage.expect("end", pair.target.until("completed"), "completed");
      const names = Object.keys(await pair.target.migration());
      await stage.expect(
        "members",
        names,
        including("postcopy-blocktime", "postcopy-vcpu-blocktime"),
      );
    },
  },
  {
    name: "postcopy/start-after-the-end",
    claim: "migrate-start-postcopy after the end is taken and does nothing",
    needs: "userfaultfd",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", capabilities });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", source.until("completed"), "completed");
      await stage.expect("start", source.ask("migrate-start-postcopy"), "ok");
      await stage.expect("status", source.status(), "completed");
    },
  },
];

/** A pair in postcopy, the guest on the target. */
async function postcopyPair(stage: Stage, targetCapabilities: string[] = []): Promise<Pair> {
  const pair = await stage.pair({ guest: "filled", capabilities, targetCapabilities, parameters });
  await startPostcopy(stage, pair);
  return pair;
}

async function startPostcopy(stage: Stage, pair: Pair): Promise<void> {
  await stage.expect("migrate", pair.migrate(), "ok");
  await stage.expect("state", pair.source.until("active"), "active");
  await stage.expect("start", pair.source.ask("migrate-start-postcopy"), "ok");
  await stage.expect("postcopy", pair.source.until("postcopy-active"), "postcopy-active");
  // Before the target runs there is nothing to recover on it, and 7.2 may lose a bandwidth set on
  // the source.
  await stage.expect("target runs", pair.target.untilRunState("running"), "running");
}
