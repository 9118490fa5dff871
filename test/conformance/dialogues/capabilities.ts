import type { Dialogue } from "../dialogue.ts";
import { including, oneOf, refused } from "../expectation.ts";
import { since } from "../generation.ts";
import { slow } from "../pair.ts";
import type { Stage } from "../stage.ts";
import type { Vm } from "../vm.ts";
import { answersTo, capabilitiesOf } from "./capability-rules.ts";

const needsReturnPath = refused("Capability 'switchover-ack' requires capability 'return-path'");
const noZeroCopy = refused("Zero copy only available for non-compressed non-TLS multifd migration");

export const capabilityDialogues: Dialogue[] = [
  {
    name: "capability/presence",
    claim: "each version has its own set of capabilities, all off at the start",
    async play(stage) {
      const vm = await stage.vm("source");
      const answer = (await vm.ask("query-migrate-capabilities")) as { capability: string }[];
      const names = answer.map(({ capability }) => capability).sort();
      await stage.expect("names", names, capabilitiesOf(stage.generation).sort());
      await stage.expect("on", await vm.capabilities(), []);
    },
  },
  {
    name: "capability/unknown",
    claim: "an unknown capability refuses the whole command",
    async play(stage) {
      const vm = await stage.vm("source");
      const text = "Parameter 'capability' does not accept value 'teleport'";
      await stage.expect("set", vm.set("return-path", "teleport"), refused(text));
      await stage.expect("on", await vm.capabilities(), []);
      await stage.expect("nothing", vm.set(), "ok");
      const missing = refused("Parameter 'capabilities' is missing");
      await stage.expect("no list", vm.ask("migrate-set-capabilities"), missing);
    },
  },
  {
    name: "capability/atomic",
    claim: "a conflicting set changes nothing, and the order inside a command does not matter",
    async play(stage) {
      const vm = await stage.vm("source");
      await stage.expect("conflict", vm.set("events", "postcopy-preempt"), /requires postcopy-ram/);
      await stage.expect("on after it", await vm.capabilities(), []);
      await stage.expect("dependent first", vm.set("postcopy-preempt", "postcopy-ram"), "ok");
      const refusal = refused("Postcopy preempt requires postcopy-ram");
      await stage.expect("off under it", vm.set("-postcopy-ram"), refusal);
      await stage.expect("both off", vm.set("-postcopy-ram", "-postcopy-preempt"), "ok");
      await stage.expect("off twice", vm.set("-postcopy-ram"), "ok");
    },
  },
  {
    name: "capability/ack-needs-return-path",
    claim: "switchover-ack needs return-path, also when return-path is taken away later",
    versions: since("10.0"),
    async play(stage) {
      const vm = await stage.vm("source");
      await stage.expect("alone", vm.set("switchover-ack"), needsReturnPath);
      await stage.expect("together", vm.set("switchover-ack", "return-path"), "ok");
      await stage.expect("return-path off", vm.set("-return-path"), needsReturnPath);
      await stage.expect("ack off", vm.set("-switchover-ack"), "ok");
      await stage.expect("then return-path off", vm.set("-return-path"), "ok");
    },
  },
  {
    name: "capability/colo-needs-return-path",
    claim: "x-colo needs return-path from 11.1",
    async play(stage) {
      const vm = await stage.vm("source");
      const refusal = refused("Capability 'x-colo' requires capability 'return-path'");
      await stage.expect("alone", vm.set("x-colo"), stage.pick({ "7.2": "ok", "11.1": refusal }));
      await stage.expect("together", vm.set("x-colo", "return-path"), "ok");
    },
  },
  {
    name: "capability/zero-copy",
    claim: "zero-copy-send needs multifd without compression and without xbzrle",
    async play(stage) {
      const vm = await stage.vm("source");
      await stage.expect("alone", vm.set("zero-copy-send"), noZeroCopy);
      await stage.expect("with multifd", vm.set("zero-copy-send", "multifd"), "ok");
      await stage.expect("multifd off", vm.set("-multifd"), noZeroCopy);
      const compress = vm.tune({ "multifd-compression": "zlib" });
      await stage.expect("then compression", compress, noZeroCopy);
      await stage.expect("off", vm.set("-zero-copy-send"), "ok");
      await stage.expect("compression", vm.tune({ "multifd-compression": "zlib" }), "ok");
      await stage.expect("then zero copy", vm.set("zero-copy-send"), noZeroCopy);
    },
  },
  {
    name: "capability/dirty-limit",
    claim: "dirty-limit needs KVM with a dirty ring, and excludes auto-converge",
    versions: since("10.0"),
    async play(stage) {
      const vm = await stage.vm("source");
      const conflict =
        "dirty-limit conflicts with auto-converge either of then available currently";
      const needsRing = "dirty-limit requires KVM with accelerator property 'dirty-ring-size' set";
      await stage.expect("alone", vm.set("dirty-limit"), refused(needsRing));
      await stage.expect("with", vm.set("dirty-limit", "auto-converge"), refused(conflict));
    },
  },
  {
    name: "capability/multifd-conflicts",
    claim: "what multifd goes with depends on the version",
    async play(stage) {
      const vm = await stage.vm("source");
      const postcopy = refused("Postcopy is not yet compatible with multifd");
      const postcopyAnswer = stage.pick({ "7.2": "ok", "10.0": postcopy, "11.1": "ok" });
      await stage.expect("postcopy-ram", vm.set("multifd", "postcopy-ram"), postcopyAnswer);
      await stage.expect("reset", vm.set("-multifd", "-postcopy-ram"), "ok");
      const xbzrle = refused("Multifd is not compatible with xbzrle");
      const xbzrleAnswer = stage.pick({ "7.2": "ok", "10.0": xbzrle });
      await stage.expect("xbzrle", vm.set("multifd", "xbzrle"), xbzrleAnswer);
    },
  },
  {
    name: "capability/pairs-on-source",
    claim: "every single capability and every pair is accepted or refused by one table",
    needs: "userfaultfd",
    async play(stage) {
      await tryEveryPair(stage, await stage.vm("source"));
    },
  },
  {
    name: "capability/pairs-on-target",
    claim: "the same table holds on a target before migrate-incoming",
    needs: "userfaultfd",
    async play(stage) {
      await tryEveryPair(stage, await stage.vm("target", { incoming: true }));
    },
  },
  {
    name: "capability/source-while-migrating",
    claim: "a source takes no capability while it migrates, and takes it again after",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("status", pair.source.until("active"), "active");
      const busy = refused("There's a migration process in progress");
      await stage.expect("set", pair.source.set("return-path"), busy);
      await stage.expect("cancel", pair.source.ask("migrate_cancel"), "ok");
      await pair.source.until(["cancelled", "failed"]);
      await stage.expect("set after", pair.source.set("return-path"), "ok");
    },
  },
  {
    name: "capability/target-while-listening",
    claim:
      "a listening target still takes capabilities; only multifd and postcopy-preempt are guarded, from 10.0",
    needs: "userfaultfd",
    async play(stage) {
      const vm = await stage.vm("target", { incoming: true });
      await stage.expect("before", vm.set("postcopy-ram", "events"), "ok");
      await stage.expect("listen", vm.ask("migrate-incoming", { uri: "tcp:127.0.0.1:0" }), "ok");
      const preempt = refused("Postcopy preempt must be set before incoming starts");
      const preemptAnswer = stage.pick({ "7.2": "ok", "10.0": preempt });
      await stage.expect("preempt", vm.set("postcopy-preempt"), preemptAnswer);
      await stage.expect("reset", vm.set("-postcopy-ram", "-postcopy-preempt"), "ok");
      const multifd = refused("Multifd must be set before incoming starts");
      await stage.expect(
        "multifd",
        vm.set("multifd"),
        stage.pick({ "7.2": "ok", "10.0": multifd }),
      );
      await stage.expect("auto-converge", vm.set("auto-converge"), "ok");
      await stage.expect("on", await vm.capabilities(), including("auto-converge", "events"));
    },
  },
  {
    name: "capability/multifd-after-arrival",
    claim: "a guest that has come can be sent on with multifd, whatever it came with",
    async play(stage) {
      const pair = await stage.pair({ capabilities: ["return-path"] });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      await stage.expect("target", pair.target.untilRunState("running"), "running");
      await stage.expect("state", pair.target.until("completed"), "completed");
      await stage.expect("multifd", pair.target.set("multifd"), "ok");
    },
  },
  {
    name: "capability/late-change-on-target",
    claim: "a target takes a capability even while the migration arrives",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("target", pair.target.until("active"), "active");
      await stage.expect("return-path", pair.target.set("return-path"), "ok");
      await stage.expect("off again", pair.target.set("-return-path"), "ok");
      await stage.expect("source", pair.source.until("active"), "active");
    },
  },
];

/** One step for all: lists the sets whose answer differs from the table, none if all agree. */
async function tryEveryPair(stage: Stage, vm: Vm): Promise<void> {
  const names = capabilitiesOf(stage.generation);
  const sets = names.flatMap((name, at) => [
    [name],
    ...names.slice(at + 1).map((other) => [name, other]),
  ]);
  const surprises: string[] = [];
  let asked = 0;
  for (const set of sets) {
    const answer = String(await vm.set(...set));
    const expected = answersTo(set, stage.generation);
    if (!expected.includes(answer)) surprises.push(`${set.join("+")}: ${answer}, not ${expected}`);
    if (answer === "ok") await vm.set(...set.map((name) => `-${name}`));
    asked += 1;
  }
  await stage.expect("sets asked", asked, (names.length * (names.length + 1)) / 2);
  await stage.expect("surprises", surprises, []);
  await stage.expect("on at the end", vm.capabilities(), oneOf([]));
}
