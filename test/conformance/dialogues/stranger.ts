import type { Dialogue } from "../dialogue.ts";
import { including, oneOf } from "../expectation.ts";
import { since } from "../generation.ts";
import type { Pair } from "../pair.ts";
import type { Stage } from "../stage.ts";
import { KEY, pairWithKeys } from "../tls-pair.ts";
import type { Vm } from "../vm.ts";

const PATIENCE = { timeoutMs: 400 };
const migration = { type: "migration" };
const yanks = { instances: [migration] };

/** Peers that connect to a target's port and send nothing. */
export const strangerDialogues: Dialogue[] = [
  {
    name: "stranger/tls",
    claim:
      "under TLS a silent peer blocks the target's main loop, then the source's with its guest; yank changes nothing; when the peer leaves, the move goes on",
    async play(stage) {
      const pair = await tlsPair(stage);
      const { source, target } = pair;
      const stranger = await stage.stranger(pair.port);
      await blocked(stage, "target", target);
      const oob = { ...PATIENCE, outOfBand: true };
      const instances = target.ask("query-yank", undefined, oob);
      await stage.expect("instances", instances, including(migration));
      await stage.expect("migrate", source.ask("migrate", { uri: pair.uri }, PATIENCE), "ok");
      await blocked(stage, "source", source);
      await stage.expect("yank source", source.ask("yank", yanks, oob), "ok");
      await blocked(stage, "source", source);
      await stage.expect("yank target", target.ask("yank", yanks, oob), "ok");
      await blocked(stage, "target", target);
      stranger.disconnect();
      await stage.expect("source", source.until("completed"), "completed");
      await stage.expect("target", target.until("completed"), "completed");
      await stage.expect("interrupted", source.story().includes("RESUME"), false);
    },
  },
  {
    name: "stranger/tls-target-killed",
    claim: "a source that waits for a blocked target is free when the target's process has ended",
    async play(stage) {
      const pair = await tlsPair(stage);
      const { source, target } = pair;
      await stage.stranger(pair.port);
      await blocked(stage, "target", target);
      await stage.expect("migrate", source.ask("migrate", { uri: pair.uri }, PATIENCE), "ok");
      await blocked(stage, "source", source);
      await target.kill();
      await stage.expect("end", source.until("failed"), "failed");
      await stage.expect("run state", source.runState(), "running");
      const why = (await source.migration())["error-desc"] ?? null;
      await stage.expect("why", why, /^TLS handshake failed: /);
    },
  },
  {
    name: "stranger/plain",
    claim:
      "without TLS, 7.2 and 10.0 take a silent peer for the source and refuse the real one; 11.1 is blocked",
    async play(stage) {
      const pair = await stage.pair({
        sourceCapabilities: ["return-path"],
        target: { paused: true },
      });
      const { source, target } = pair;
      const stranger = await stage.stranger(pair.port);
      if (stage.targetGeneration === "11.1") {
        await blocked(stage, "target", target);
      } else {
        await stage.expect("target", target.until("active"), "active");
        await stage.expect("migrate", pair.migrate(), "ok");
        await stage.expect("source", source.until("failed"), "failed");
        await stage.expect("run state", source.runState(), "running");
      }
      stranger.disconnect();
      await stage.expect("exit", target.exit(), 1);
      const why = stage.pick({
        "7.2": /Not a migration stream/,
        "11.1": /Failed to peek at channel/,
      });
      await stage.expect("why", target.stderr(), why);
    },
  },
  {
    name: "stranger/plain-blocks-source",
    claim: "on 11.1 the source of a blocked target runs on without progress; yank ends both",
    versions: ["11.1"],
    async play(stage) {
      const pair = await stage.pair({
        sourceCapabilities: ["return-path"],
        guest: "filled",
        target: { paused: true },
      });
      const { source, target } = pair;
      await stage.stranger(pair.port);
      await blocked(stage, "target", target);
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("status", source.until("active"), "active");
      const oob = { ...PATIENCE, outOfBand: true };
      await stage.expect("yank target", target.ask("yank", yanks, oob), oneOf("ok", "closed"));
      await stage.expect("exit", target.exit(), 1);
      await stage.expect("source", source.until("failed"), "failed");
      await stage.expect("guest", source.untilRunState("running"), "running");
    },
  },
  {
    name: "stranger/multifd",
    claim: "with multifd a silent peer blocks the target's main loop, from 10.0 also without TLS",
    versions: since("10.0"),
    async play(stage) {
      const pair = await stage.pair({ capabilities: ["multifd"], target: { paused: true } });
      const stranger = await stage.stranger(pair.port);
      await blocked(stage, "target", pair.target);
      stranger.disconnect();
      await stage.expect("exit", pair.target.exit(), 1);
      await stage.expect("why", pair.target.stderr(), /Failed to peek at channel/);
    },
  },
];

function tlsPair(stage: Stage): Promise<Pair> {
  return pairWithKeys(stage, { source: KEY, target: KEY }, { target: { paused: true } });
}

/** The main loop blocks a moment after the connection at the earliest. */
async function blocked(stage: Stage, name: string, vm: Vm): Promise<void> {
  const isSilent = async () => {
    return (await vm.ask("query-status", undefined, PATIENCE)) === "no answer";
  };
  await stage.expect(`${name} blocked`, vm.waitFor(isSilent), true);
}
