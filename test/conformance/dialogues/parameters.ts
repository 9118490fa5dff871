import type { Dialogue } from "../dialogue.ts";
import { type Json, refused } from "../expectation.ts";
import { since } from "../generation.ts";
import { slow } from "../pair.ts";
import type { Vm } from "../vm.ts";
import { absentFrom, defaultsOf, parametersOf } from "./parameter-rules.ts";

export const parameterDialogues: Dialogue[] = [
  {
    name: "parameter/defaults",
    claim: "each version has its own parameters with their defaults",
    async play(stage) {
      const vm = await stage.vm("source");
      await stage.expect("all", shown(vm), defaultsOf(stage.generation));
    },
  },
  {
    name: "parameter/ranges",
    claim: "every parameter takes the edges of its range and refuses what lies beyond",
    async play(stage) {
      const vm = await stage.vm("source");
      const surprises: string[] = [];
      for (const { name, accepts, refuses } of parametersOf(stage.generation)) {
        for (const value of accepts) {
          const answer = await vm.tune({ [name]: value });
          if (answer !== "ok") surprises.push(`${name}=${JSON.stringify(value)}: ${answer}`);
        }
        for (const value of refuses) {
          const answer = String(await vm.tune({ [name]: value }));
          const text = `${name}=${JSON.stringify(value)}: ${answer}`;
          if (!answer.startsWith("GenericError: ")) surprises.push(text);
        }
      }
      await stage.expect("surprises", surprises, []);
    },
  },
  {
    name: "parameter/read-back",
    claim: "what was set is read back",
    async play(stage) {
      const vm = await stage.vm("target", { incoming: true });
      const values = { "downtime-limit": 77, "max-bandwidth": 5_000_000, "multifd-channels": 7 };
      await stage.expect("set", vm.tune(values), "ok");
      const all = await shown(vm);
      const same = Object.entries(values).filter(([name, value]) => all[name] === value);
      await stage.expect("same", same.length, 3);
    },
  },
  {
    name: "parameter/unknown",
    claim:
      "a parameter that the version does not have is unexpected, and refuses the whole command",
    async play(stage) {
      const vm = await stage.vm("source");
      const unknown = refused("Parameter 'teleport' is unexpected");
      await stage.expect("unknown", vm.tune({ "downtime-limit": 7, teleport: 1 }), unknown);
      const answers: Json[] = [];
      for (const name of absentFrom(stage.generation)) answers.push(await vm.tune({ [name]: 1 }));
      const expected = absentFrom(stage.generation).map((name) =>
        refused(`Parameter '${name}' is unexpected`),
      );
      await stage.expect("of other versions", answers, expected);
      await stage.expect("unchanged", (await shown(vm))["downtime-limit"] ?? null, 300);
    },
  },
  {
    name: "parameter/atomic",
    claim: "one value out of range refuses the whole command",
    async play(stage) {
      const vm = await stage.vm("source");
      const both = vm.tune({ "max-bandwidth": 7, "downtime-limit": 2_000_001 });
      const text = stage.pick({
        "7.2": /^GenericError: Parameter 'downtime_limit' expects /,
        "11.1": /^GenericError: Option downtime-limit expects /,
      });
      await stage.expect("set", both, text);
      await stage.expect("unchanged", (await shown(vm))["max-bandwidth"] ?? null, 134_217_728);
      await stage.expect("nothing", vm.tune({}), "ok");
    },
  },
  {
    name: "parameter/throttle-order",
    claim: "max-cpu-throttle may not lie below cpu-throttle-initial",
    async play(stage) {
      const vm = await stage.vm("source");
      await stage.expect("below", vm.tune({ "max-cpu-throttle": 19 }), /^GenericError: /);
      await stage.expect("equal", vm.tune({ "max-cpu-throttle": 20 }), "ok");
      await stage.expect(
        "initial above",
        vm.tune({ "cpu-throttle-initial": 30 }),
        /^GenericError: /,
      );
    },
  },
  {
    name: "parameter/bitmap-mapping",
    claim: "block-bitmap-mapping is absent until it is set once, and an empty list is a value",
    async play(stage) {
      const vm = await stage.vm("source");
      await stage.expect("at first", "block-bitmap-mapping" in (await shown(vm)), false);
      await stage.expect("set", vm.tune({ "block-bitmap-mapping": [] }), "ok");
      await stage.expect("then", (await shown(vm))["block-bitmap-mapping"] ?? null, []);
    },
  },
  {
    name: "parameter/minus-one",
    claim: "-1 as a size is taken and reads back as 2^64-1",
    async play(stage) {
      const vm = await stage.vm("source");
      await stage.expect("set", vm.tune({ "max-bandwidth": -1 }), "ok");
      await stage.expect(
        "read",
        (await shown(vm))["max-bandwidth"] ?? null,
        "18446744073709551615",
      );
    },
  },
  {
    name: "parameter/compression-level",
    claim: "7.2 takes any multifd compression level and ignores it",
    async play(stage) {
      const vm = await stage.vm("source");
      const beyond = stage.pick<string | RegExp>({ "7.2": "ok", "10.0": /^GenericError: / });
      await stage.expect("zlib 5", vm.tune({ "multifd-zlib-level": 5 }), "ok");
      const read = (await shown(vm))["multifd-zlib-level"] ?? null;
      await stage.expect("read", read, stage.pick({ "7.2": 1, "10.0": 5 }));
      await stage.expect("zlib 10", vm.tune({ "multifd-zlib-level": 10 }), beyond);
      await stage.expect("zstd 21", vm.tune({ "multifd-zstd-level": 21 }), beyond);
    },
  },
  {
    name: "parameter/tls-off",
    claim: "null and the empty text turn TLS off, and an unknown credential is taken",
    async play(stage) {
      const vm = await stage.vm("source");
      await stage.expect("unknown", vm.tune({ "tls-creds": "nobody" }), "ok");
      await stage.expect("migrate", vm.ask("migrate", { uri: "tcp:127.0.0.1:1" }), "ok");
      await stage.expect("status", vm.until("failed"), "failed");
      await stage.expect("null", vm.tune({ "tls-creds": null }), "ok");
      await stage.expect("read", (await shown(vm))["tls-creds"] ?? null, "");
    },
  },
  {
    name: "parameter/mode",
    claim: "cpr-transfer came with 10.0 and cpr-exec after it",
    versions: since("10.0"),
    async play(stage) {
      const vm = await stage.vm("source");
      const unknown = refused("Parameter 'mode' does not accept value 'cpr-exec'");
      const exec = stage.pick({ "7.2": unknown, "11.1": "ok" });
      await stage.expect("cpr-exec", vm.tune({ mode: "cpr-exec" }), exec);
      await stage.expect("normal", vm.tune({ mode: "normal" }), "ok");
    },
  },
  {
    name: "parameter/while-migrating",
    claim:
      "parameters are taken on both sides while a migration runs, and a higher bandwidth ends it",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", pair.source.until("active"), "active");
      await stage.expect("target", pair.target.tune({ "announce-rounds": 3 }), "ok");
      await stage.expect("downtime", pair.source.tune({ "downtime-limit": 500 }), "ok");
      await stage.expect("bandwidth", pair.source.tune({ "max-bandwidth": 0 }), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
    },
  },
];

async function shown(vm: Vm): Promise<Record<string, Json>> {
  return (await vm.ask("query-migrate-parameters")) as Record<string, Json>;
}
