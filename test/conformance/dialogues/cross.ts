import type { Dialogue } from "../dialogue.ts";
import type { Generation } from "../generation.ts";

/** All versions have it. */
const COMMON = "pc-i440fx-7.2";
/** All versions with an ACK have it, and use the legacy one for it. */
const LEGACY_MACHINE = "pc-i440fx-8.2";
const devices = ["-device", "virtio-rng-pci", "-device", "virtio-balloon-pci"];
const ack = ["return-path", "switchover-ack"];

const knowsAck = (generation: Generation) => generation !== "7.2";

export const crossDialogues: Dialogue[] = [
  {
    name: "cross/moves",
    claim: "with one versioned machine type a guest moves in both directions",
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        machine: COMMON,
        sourceCapabilities: ["return-path"],
        target: { paused: true },
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      await stage.expect("target", pair.target.until("completed"), "completed");
      await stage.expect("target run state", pair.target.runState(), "paused");
      await stage.expect("cont", pair.target.ask("cont"), "ok");
    },
  },
  {
    name: "cross/virtio",
    claim: "so does a guest that has virtio devices without a driver",
    async play(stage) {
      const sourceCapabilities = ["return-path"];
      const options = { machine: COMMON, more: devices, sourceCapabilities };
      const pair = await stage.pair({ guest: "filled", ...options });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until(["completed", "failed"]), "completed");
    },
  },
  {
    name: "cross/multifd",
    claim: "multifd with equal channels goes between versions",
    async play(stage) {
      const four = { "multifd-channels": 4 };
      const pair = await stage.pair({
        guest: "filled",
        machine: COMMON,
        capabilities: ["multifd", "return-path"],
        parameters: four,
        targetParameters: four,
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      await stage.expect("target", pair.target.untilRunState("running"), "running");
    },
  },
  {
    name: "cross/ack",
    claim:
      "the ACK goes between versions that have one, with a machine type that has the legacy one",
    between: (source, target) => knowsAck(source) && knowsAck(target),
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        machine: LEGACY_MACHINE,
        capabilities: ack,
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      await stage.expect("target", pair.target.untilRunState("running"), "running");
    },
  },
  {
    name: "cross/ack-from-7.2",
    claim: "an ACK sent to a 7.2 source makes it fail",
    between: (source, target) => !knowsAck(source) && knowsAck(target),
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        machine: COMMON,
        sourceCapabilities: ["return-path"],
        targetCapabilities: ack,
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("failed"), "failed");
      await stage.expect("run state", pair.source.untilRunState("running"), "running");
    },
  },
  {
    name: "cross/ack-to-7.2",
    claim: "a source that waits for the ACK of a 7.2 target waits for ever",
    between: (source, target) => knowsAck(source) && !knowsAck(target),
    async play(stage) {
      const pair = await stage.pair({ machine: COMMON, sourceCapabilities: ack });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", pair.source.until("active"), "active");
      await stage.expect("switchover", pair.source.seen("STOP", 800), false);
      await stage.expect("run state", pair.source.runState(), "running");
    },
  },
  {
    name: "cross/alias",
    claim:
      "an alias names another machine type in each version: refused at the start, guest untouched",
    between: (source, target) => source !== target,
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        machine: "pc",
        sourceCapabilities: ["return-path"],
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("failed"), "failed");
      await stage.expect("stopped", pair.source.story().includes("STOP"), false);
      await stage.expect("target ends with code", pair.target.exit(), 1);
      const types = `'pc-i440fx-${stage.generation}' and local is 'pc-i440fx-${stage.targetGeneration}'`;
      const text = `Machine type received is ${types}`;
      await stage.expect("target says", pair.target.stderr().includes(text), true);
    },
  },
];
