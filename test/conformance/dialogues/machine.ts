import type { Dialogue } from "../dialogue.ts";
import { excluding, including, type Json, oneOf, refused } from "../expectation.ts";
import { since } from "../generation.ts";

const migration = { type: "migration" };

type Machine = {
  name: string;
  alias?: string;
  "is-default"?: boolean;
  "compat-props"?: { "qom-type": string; property: string; value: string }[];
};
type SchemaEntry = {
  name: string;
  "meta-type": string;
  values?: string[];
  "arg-type"?: string;
  members?: { name: string }[];
};

export const machineDialogues: Dialogue[] = [
  {
    name: "machine/types",
    claim: "the binary's own version is its newest machine type, the default one is called pc",
    async play(stage) {
      const vm = await stage.vm("source");
      const machines = (await vm.ask("query-machines")) as Machine[];
      const own = `pc-i440fx-${stage.generation}`;
      const names = machines.map(({ name }) => name);
      await stage.expect(
        "names",
        names,
        including(own, `pc-q35-${stage.generation}`, "pc-i440fx-7.2"),
      );
      const preset = machines.find((machine) => machine["is-default"]);
      await stage.expect("default", preset?.name ?? null, own);
      await stage.expect("alias", preset?.alias ?? null, "pc");
      const later = stage.pick({
        "7.2": "pc-q35-10.0",
        "10.0": "pc-q35-11.1",
        "11.1": "pc-q35-4.2",
      });
      await stage.expect("not there", names, excluding(later));
    },
  },
  {
    name: "machine/running-type",
    claim: "a running guest tells its type by name, never by alias",
    async play(stage) {
      const vm = await stage.vm("source", { machine: "q35" });
      const type = vm.ask("qom-get", { path: "/machine", property: "type" });
      await stage.expect("type", type, `pc-q35-${stage.generation}-machine`);
    },
  },
  {
    name: "machine/compat-props",
    claim: "compat-props tell the legacy ACK from 11.1; the argument came with 9.1",
    async play(stage) {
      const vm = await stage.vm("source");
      const answer = await vm.ask("query-machines", { "compat-props": true });
      if (stage.generation === "7.2") {
        await stage.expect("unknown", answer, refused("Parameter 'compat-props' is unexpected"));
        return;
      }
      const machines = answer as unknown as Machine[];
      const legacy = (name: string): Json => {
        const all = machines.find((machine) => machine.name === name)?.["compat-props"] ?? [];
        const found = all.find(({ property }) => property === "switchover-ack-legacy");
        return found ? `${found["qom-type"]} ${found.value}` : "not listed";
      };
      const older = stage.pick({ "7.2": "not listed", "11.1": "migration on" });
      await stage.expect("8.2", legacy("pc-i440fx-8.2"), older);
      await stage.expect("own", legacy(`pc-i440fx-${stage.generation}`), "not listed");
    },
  },
  {
    name: "machine/version",
    claim: "query-version tells the version",
    async play(stage) {
      const vm = await stage.vm("source");
      const { qemu } = (await vm.ask("query-version")) as {
        qemu: { major: number; minor: number };
      };
      await stage.expect("version", `${qemu.major}.${qemu.minor}`, stage.generation);
      const target = (await vm.ask("query-target")) as { arch: string };
      await stage.expect("arch", target.arch, "x86_64");
    },
  },
  {
    name: "machine/status-names",
    claim: "the schema lists the states a migration can be in",
    async play(stage) {
      const vm = await stage.vm("source");
      const schema = (await vm.ask("query-qmp-schema")) as SchemaEntry[];
      const states = schema.find(({ values }) => values?.includes("pre-switchover"))?.values ?? [];
      const known = [
        ..."none setup cancelling cancelled active postcopy-active postcopy-paused".split(" "),
        ..."postcopy-recover completed failed colo pre-switchover device wait-unplug".split(" "),
      ];
      const later = [...known, "postcopy-recover-setup"];
      const newest = [...later, "postcopy-device", "failing"];
      const expected = stage.pick({ "7.2": known, "10.0": later, "11.1": newest });
      await stage.expect("states", [...states].sort(), expected.sort());
    },
  },
  {
    name: "machine/schema-arguments",
    claim: "the schema tells which arguments migrate and migrate-incoming take",
    async play(stage) {
      const vm = await stage.vm("source");
      const schema = (await vm.ask("query-qmp-schema")) as SchemaEntry[];
      const argumentsOf = (command: string): string[] => {
        const type = schema.find(({ name }) => name === command)?.["arg-type"];
        const members = schema.find(({ name }) => name === type)?.members ?? [];
        return members.map(({ name }) => name).sort();
      };
      const migrate = stage.pick({
        "7.2": ["blk", "detach", "inc", "resume", "uri"],
        "10.0": ["channels", "detach", "resume", "uri"],
        "11.1": ["channels", "resume", "uri"],
      });
      await stage.expect("migrate", argumentsOf("migrate"), migrate);
      const incoming = stage.pick({ "7.2": ["uri"], "10.0": ["channels", "exit-on-error", "uri"] });
      await stage.expect("migrate-incoming", argumentsOf("migrate-incoming"), incoming);
    },
  },
  {
    name: "machine/memory",
    claim: "the memory of a guest is told in bytes",
    async play(stage) {
      const vm = await stage.vm("source", { memoryMebibytes: 48 });
      const size = (await vm.ask("query-memory-size-summary")) as Record<string, Json>;
      await stage.expect("base", size["base-memory"] ?? null, 48 * 1024 * 1024);
      await stage.expect("plugged", size["plugged-memory"] ?? null, 0);
    },
  },
  {
    name: "machine/vfio-properties",
    claim: "the properties of vfio-pci are listed without a device",
    async play(stage) {
      const vm = await stage.vm("source");
      const typename = "vfio-pci";
      const answer = await vm.ask("device-list-properties", { typename });
      const names = (answer as { name: string }[]).map(({ name }) => name);
      const expected = stage.pick({
        "7.2": including("x-enable-migration", "x-pre-copy-dirty-page-tracking"),
        "10.0": including("enable-migration", "x-migration-multifd-transfer", "migration-events"),
        "11.1": including("enable-migration", "x-migration-load-config-after-iter"),
      });
      await stage.expect("names", names, expected);
    },
  },
  {
    name: "machine/run-states",
    claim: "the run state goes from prelaunch to running, paused and back",
    async play(stage) {
      const vm = await stage.vm("source", { paused: true });
      await stage.expect("at first", vm.runState(), "prelaunch");
      await stage.expect("cont", vm.ask("cont"), "ok");
      await stage.expect("then", vm.runState(), "running");
      await stage.expect("stop", vm.ask("stop"), "ok");
      await stage.expect("stopped", vm.runState(), "paused");
      await stage.expect("events", vm.story(), ["RESUME", "STOP"]);
      await stage.expect("quit", vm.ask("quit"), oneOf("ok", "closed"));
      await stage.expect("exit", vm.exit(), 0);
    },
  },
  {
    name: "oob/commands",
    claim: "yank and query-yank may run out of band, other commands may not",
    async play(stage) {
      const vm = await stage.vm("source");
      await stage.expect("offered", vm.oobEnabled, true);
      const oob = { outOfBand: true };
      const inBand = refused("The command query-status does not support OOB");
      await stage.expect("status", vm.ask("query-status", undefined, oob), inBand);
      await stage.expect("instances", vm.ask("query-yank", undefined, oob), excluding(migration));
      const nothing = vm.ask("yank", { instances: [migration] }, oob);
      const text = "DeviceNotFound: Instance not found";
      await stage.expect("yank without migration", nothing, text);
    },
  },
  {
    name: "oob/yank-instances",
    claim: "a migration is an instance to yank on both sides",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: { "max-bandwidth": 100_000 } });
      await pair.migrate();
      await stage.expect("target state", pair.target.until("active"), "active");
      await stage.expect("source", pair.source.ask("query-yank"), including(migration));
      await stage.expect("target", pair.target.ask("query-yank"), including(migration));
    },
  },
  {
    name: "oob/migrate-pause",
    claim: "migrate-pause and migrate-recover may run out of band",
    async play(stage) {
      const vm = await stage.vm("source");
      const oob = { outOfBand: true };
      const pause = vm.ask("migrate-pause", undefined, oob);
      await stage.expect("pause", pause, /^GenericError: migrate-pause is currently only/);
      const recover = vm.ask("migrate-recover", { uri: "tcp:127.0.0.1:0" }, oob);
      const text = "Migrate recover can only be run when postcopy is paused.";
      await stage.expect("recover", recover, refused(text));
    },
  },
  {
    name: "machine/q35-moves",
    claim: "q35 moves like pc, with virtio devices",
    versions: since("7.2"),
    async play(stage) {
      const more = ["-device", "virtio-rng-pci", "-device", "virtio-balloon-pci"];
      const sourceCapabilities = ["return-path"];
      const machine = "pc-q35-7.2";
      const pair = await stage.pair({ guest: "filled", machine, sourceCapabilities, more });
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", pair.source.until("completed"), "completed");
      await stage.expect("target", pair.target.untilRunState("running"), "running");
    },
  },
];
