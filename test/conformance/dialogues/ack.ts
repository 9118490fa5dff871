import type { Dialogue } from "../dialogue.ts";
import { type Json, refused } from "../expectation.ts";
import { since } from "../generation.ts";
import type { Pair } from "../pair.ts";
import { returnPathTypes } from "../relay.ts";
import type { Vm } from "../vm.ts";

const ack = ["return-path", "switchover-ack"];
/** Has the legacy ACK in every version with an ACK. */
const LEGACY_MACHINE = "pc-i440fx-8.2";
const ACKED = "source_return_path_thread_switchover_acked";
const LEGACY_NEEDED = "loadvm_state_switchover_ack_needed";

export const ackDialogues: Dialogue[] = [
  {
    name: "ack/trace-events",
    claim:
      "which trace events tell the ACK depends on the version; a name that does not exist is refused",
    async play(stage) {
      const vm = await stage.vm("source");
      const trace = async (name: string): Promise<Json> => {
        const answer = String(await vm.ask("trace-event-set-state", { name, enable: true }));
        return answer === "ok" ? "known" : answer;
      };
      const unknown = (name: string) => refused(`unknown event "${name}"`);
      const old = stage.pick({ "7.2": unknown(ACKED), "10.0": "known" });
      await stage.expect("source", trace(ACKED), old);
      const needed = {
        "7.2": unknown(LEGACY_NEEDED),
        "10.0": "known",
        "11.1": unknown(LEGACY_NEEDED),
      };
      await stage.expect("target, legacy", trace(LEGACY_NEEDED), stage.pick(needed));
      const approve = "loadvm_approve_switchover";
      const target = stage.pick({ "7.2": unknown(approve), "10.0": "known" });
      await stage.expect("target", trace(approve), target);
      const later = "qemu_savevm_query_pending";
      const pending = stage.pick({ "7.2": unknown(later), "11.1": "known" });
      await stage.expect("pending", trace(later), pending);
      await stage.expect("pattern", trace("vfio_*"), "known");
    },
  },
  {
    name: "ack/legacy",
    claim: "the legacy ACK comes once, before active, and the source's trace tells it",
    versions: since("10.0"),
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        machine: LEGACY_MACHINE,
        capabilities: ack,
      });
      await traceAck(pair);
      const relay = await stage.relay(pair.port);
      pair.through(relay);
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      const line = stage.pick({ "7.2": ACKED, "11.1": `${ACKED} switchover_ack_pending_num 0` });
      await stage.expect("source trace", lines(pair.source, ACKED), [line]);
      const acks = relay.seenTypes.filter((type) => type === returnPathTypes.switchoverAck);
      await stage.expect("on the wire", acks.length, 1);
      await stage.expect(
        "first on the wire",
        relay.seenTypes[0] ?? 0,
        returnPathTypes.switchoverAck,
      );
    },
  },
  {
    name: "ack/legacy-target-trace",
    claim: "a 10.0 target tells how many ACKs are pending",
    versions: ["10.0"],
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", capabilities: ack });
      await pair.target.ask("trace-event-set-state", { name: LEGACY_NEEDED, enable: true });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      const line = `${LEGACY_NEEDED} Switchover ack pending num=0`;
      await stage.expect("trace", lines(pair.target, LEGACY_NEEDED), [line]);
    },
  },
  {
    name: "ack/new-without-device",
    claim: "on 11.1's own machine type nobody sends an ACK when no device asks for it",
    versions: ["11.1"],
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", capabilities: ack });
      await traceAck(pair);
      const relay = await stage.relay(pair.port);
      pair.through(relay);
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      await stage.expect("source trace", lines(pair.source, ACKED), []);
      const acks = relay.seenTypes.filter((type) => type === returnPathTypes.switchoverAck);
      await stage.expect("on the wire", acks.length, 0);
    },
  },
  {
    name: "ack/capability-off",
    claim: "without the capability no ACK is sent or traced",
    versions: since("10.0"),
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        machine: LEGACY_MACHINE,
        capabilities: ["return-path"],
      });
      await traceAck(pair);
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      await stage.expect("source trace", lines(pair.source, ACKED), []);
    },
  },
  {
    name: "ack/source-only-legacy",
    claim: "a source that waits for a legacy ACK nobody sends stays active for ever, guest running",
    versions: since("10.0"),
    async play(stage) {
      const pair = await stage.pair({ machine: LEGACY_MACHINE, sourceCapabilities: ack });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", source.until("active"), "active");
      await stage.expect("switchover", source.seen("STOP", 800), false);
      await stage.expect("status", source.status(), "active");
      await stage.expect("run state", source.runState(), "running");
      await stage.expect("stop", source.ask("stop"), "ok");
      await stage.expect("a stopped guest goes without", source.until("completed"), "completed");
    },
  },
  {
    name: "ack/source-only-new",
    claim: "with the new ACK and no device the source needs no ACK",
    versions: ["11.1"],
    async play(stage) {
      const pair = await stage.pair({ sourceCapabilities: ack });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
    },
  },
  {
    name: "ack/target-only",
    claim: "an ACK that the source did not ask for is ignored",
    versions: since("10.0"),
    async play(stage) {
      const pair = await stage.pair({
        machine: LEGACY_MACHINE,
        sourceCapabilities: ["return-path"],
        targetCapabilities: ack,
      });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
    },
  },
  {
    name: "ack/paused-source",
    claim: "a guest that does not run switches over without an ACK",
    versions: since("10.0"),
    async play(stage) {
      const pair = await stage.pair({ machine: LEGACY_MACHINE, sourceCapabilities: ack });
      await stage.expect("stop", pair.source.ask("stop"), "ok");
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
    },
  },
  {
    name: "ack/held-by-relay",
    claim: "while the ACK is held back the guest runs; let go, it switches over",
    versions: since("10.0"),
    async play(stage) {
      const pair = await stage.pair({
        guest: "filled",
        machine: LEGACY_MACHINE,
        capabilities: ack,
      });
      const { source } = pair;
      const relay = await stage.relay(pair.port, (type) =>
        type === returnPathTypes.switchoverAck ? "hold" : "pass",
      );
      pair.through(relay);
      await source.tune({ "max-bandwidth": 20_000_000 });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("switchover", source.seen("STOP", 2_500), false);
      await stage.expect("status", source.status(), "active");
      await stage.expect("run state", source.runState(), "running");
      relay.release();
      await stage.expect("end", source.until("completed"), "completed");
    },
  },
  {
    name: "ack/legacy-by-global",
    claim: "11.1 takes the legacy ACK by a global, on both sides",
    versions: ["11.1"],
    async play(stage) {
      const more = ["-global", "migration.switchover-ack-legacy=on"];
      const pair = await stage.pair({ guest: "filled", capabilities: ack, more });
      await traceAck(pair);
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      const trace = [`${ACKED} switchover_ack_pending_num 0`];
      await stage.expect("source trace", lines(pair.source, ACKED), trace);
    },
  },
  {
    name: "ack/legacy-on-target-only",
    claim: "a legacy ACK to a source with the new one is an error that does not end the migration",
    versions: ["11.1"],
    async play(stage) {
      const more = ["-global", "migration.switchover-ack-legacy=on"];
      const pair = await stage.pair({ guest: "filled", capabilities: ack, target: { more } });
      const { source } = pair;
      await source.tune({ "max-bandwidth": 100_000 });
      await stage.expect("migrate", pair.migrate(), "ok");
      const told = async () => "error-desc" in (await source.migration());
      await stage.expect("error", source.waitFor(told, 3_000), true);
      await stage.expect("status", source.until("active"), "active");
      const { "error-desc": text = "none" } = await source.migration();
      await stage.expect("error text", text, "Switchover ack pending num underflowed");
    },
  },
  {
    name: "ack/legacy-on-source-only",
    claim: "a source with the legacy ACK waits for ever for a target with the new one",
    versions: ["11.1"],
    async play(stage) {
      const more = ["-global", "migration.switchover-ack-legacy=on"];
      const pair = await stage.pair({ capabilities: ack, source: { more } });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", pair.source.until("active"), "active");
      await stage.expect("switchover", pair.source.seen("STOP", 800), false);
      await stage.expect("run state", pair.source.runState(), "running");
    },
  },
];

async function traceAck(pair: Pair): Promise<void> {
  await pair.source.ask("trace-event-set-state", { name: ACKED, enable: true });
}

/** Trace lines of one event, without the trailing blank of an event without arguments. */
async function lines(vm: Vm, event: string): Promise<string[]> {
  const found = await vm.trace(new RegExp(`^${event}\\b`));
  return found.map((line) => line.trim());
}
