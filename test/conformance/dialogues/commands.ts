import type { Dialogue } from "../dialogue.ts";
import { refused } from "../expectation.ts";
import { since } from "../generation.ts";
import { slow } from "../pair.ts";

const toPreSwitchover = ["return-path", "pause-before-switchover"];
const nowhere = { uri: "tcp:127.0.0.1:1" };
const anywhere = { uri: "tcp:127.0.0.1:0" };

export const commandDialogues: Dialogue[] = [
  {
    name: "command/migrate-refusals",
    claim: "migrate is refused on a waiting target and while a migration runs",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow });
      const { source, target } = pair;
      const waiting = refused("Guest is waiting for an incoming migration");
      await stage.expect("on target", target.ask("migrate", nowhere), waiting);
      await stage.expect("migrate", pair.migrate(), "ok");
      await source.until("active");
      const busy = refused("There's a migration process in progress");
      await stage.expect("second", source.ask("migrate", nowhere), busy);
      await stage.expect("still", source.status(), "active");
    },
  },
  {
    name: "command/migrate-after-completed",
    claim: "a finished source does not migrate again while it is stopped; cont makes it run again",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: ["return-path"] });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("end", source.until("completed"), "completed");
      const again = refused("Can't migrate the vm that was paused due to previous migration");
      await stage.expect("again", source.ask("migrate", nowhere), again);
      await stage.expect("cont", source.ask("cont"), "ok");
      await stage.expect("run state", source.runState(), "running");
      await stage.expect("again after cont", source.ask("migrate", nowhere), "ok");
      await stage.expect("then", source.until("failed"), "failed");
    },
  },
  {
    name: "command/migrate-arguments",
    claim: "detach ends with 11.0, blk and inc with 9.1; a uri is needed",
    async play(stage) {
      const vm = await stage.vm("source");
      const answerTo = async (name: string) => {
        const answer = await vm.ask("migrate", { ...nowhere, [name]: false });
        await vm.until(["failed", "none"]);
        return answer;
      };
      const unexpected = (name: string) => refused(`Parameter '${name}' is unexpected`);
      const blk = stage.pick({ "7.2": "ok", "10.0": unexpected("blk") });
      await stage.expect("blk", answerTo("blk"), blk);
      const inc = stage.pick({ "7.2": "ok", "10.0": unexpected("inc") });
      await stage.expect("inc", answerTo("inc"), inc);
      const detach = stage.pick({ "7.2": "ok", "11.1": unexpected("detach") });
      await stage.expect("detach", answerTo("detach"), detach);
      await stage.expect("resume=false", answerTo("resume"), "ok");
      const missing = stage.pick({
        "7.2": refused("Parameter 'uri' is missing"),
        "10.0": refused("need either 'uri' or 'channels' argument"),
      });
      await stage.expect("no uri", vm.ask("migrate", {}), missing);
    },
  },
  {
    name: "command/migrate-bad-uri",
    claim: "a uri that cannot be read is refused at once; 7.2 is left with a failed status",
    async play(stage) {
      const vm = await stage.vm("source");
      const answer = vm.ask("migrate", { uri: "carrier:pigeon" });
      await stage.expect("answer", answer, /^GenericError: /);
      await stage.expect("status", vm.status(), stage.pick({ "7.2": "failed", "10.0": "none" }));
    },
  },
  {
    name: "command/resume-without-pause",
    claim: "migrate with resume needs a paused postcopy",
    async play(stage) {
      const vm = await stage.vm("source");
      const refusal = refused("Cannot resume if there is no paused migration");
      await stage.expect("idle", vm.ask("migrate", { ...nowhere, resume: true }), refusal);
    },
  },
  {
    name: "command/incoming-once",
    claim: "migrate-incoming needs -incoming and is taken once",
    async play(stage) {
      const source = await stage.vm("source");
      const target = await stage.vm("target", { incoming: true });
      const plain = source.ask("migrate-incoming", anywhere);
      await stage.expect(
        "on a source",
        plain,
        refused("'-incoming' was not specified on the command line"),
      );
      await stage.expect("first", target.ask("migrate-incoming", anywhere), "ok");
      const twice = target.ask("migrate-incoming", anywhere);
      await stage.expect(
        "second",
        twice,
        refused("The incoming migration has already been started"),
      );
    },
  },
  {
    name: "command/incoming-bad-address",
    claim: "a port that is taken refuses migrate-incoming; only 7.2 takes another one after that",
    async play(stage) {
      const first = await stage.vm("target", { incoming: true });
      const second = await stage.vm("rival", { incoming: true });
      await first.ask("migrate-incoming", anywhere);
      const [{ port } = { port: "0" }] = (await first.migration())["socket-address"] as {
        port: string;
      }[];
      const taken = second.ask("migrate-incoming", { uri: `tcp:127.0.0.1:${port}` });
      await stage.expect("taken", taken, /^GenericError: Failed to .*Address already in use$/);
      await stage.expect("status", second.status(), stage.pick({ "7.2": "none", "10.0": "setup" }));
      const stuck = refused("Illegal migration incoming state: setup");
      const another = second.ask("migrate-incoming", anywhere);
      await stage.expect("another", another, stage.pick({ "7.2": "ok", "10.0": stuck }));
    },
  },
  {
    name: "command/continue-in-wrong-state",
    claim: "migrate-continue names the state it is in, and is taken in pre-switchover only",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: toPreSwitchover });
      const { source } = pair;
      const go = { state: "pre-switchover" };
      const notExpected = (state: string) => refused(`Migration not in expected state: ${state}`);
      await stage.expect("idle", source.ask("migrate-continue", go), notExpected("none"));
      const unknown = source.ask("migrate-continue", { state: "ready" });
      const noSuchState = refused("Parameter 'state' does not accept value 'ready'");
      await stage.expect("unknown state", unknown, noSuchState);
      await source.tune(slow);
      await stage.expect("migrate", pair.migrate(), "ok");
      await source.until("active");
      await stage.expect("active", source.ask("migrate-continue", go), notExpected("active"));
      await source.tune({ "max-bandwidth": 0 });
      await stage.expect("state", source.until("pre-switchover"), "pre-switchover");
      const device = source.ask("migrate-continue", { state: "device" });
      await stage.expect("other state", device, notExpected("pre-switchover"));
      await stage.expect("continue", source.ask("migrate-continue", go), "ok");
      await stage.expect("end", source.until("completed"), "completed");
      await stage.expect("after", source.ask("migrate-continue", go), notExpected("completed"));
    },
  },
  {
    name: "command/cont-in-pre-switchover",
    claim: "cont is refused on a source in pre-switchover",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", sourceCapabilities: toPreSwitchover });
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", source.until("pre-switchover"), "pre-switchover");
      await stage.expect("cont", source.ask("cont"), refused("Migration is not finalized yet"));
      await stage.expect("run state", source.runState(), "finish-migrate");
    },
  },
  {
    name: "command/postcopy-out-of-place",
    claim: "the commands of postcopy are refused outside of it",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow });
      const { source, target } = pair;
      const pause = stage.pick({
        "7.2": "migrate-pause is currently only supported during postcopy-active state",
        "10.0":
          "migrate-pause is currently only supported during postcopy-active or postcopy-recover state",
      });
      await stage.expect("pause", source.ask("migrate-pause"), refused(pause));
      const recover = refused("Migrate recover can only be run when postcopy is paused.");
      await stage.expect("recover", target.ask("migrate-recover", anywhere), recover);
      const enable = refused(
        "Enable postcopy with migrate_set_capability before the start of migration",
      );
      const start = () => source.ask("migrate-start-postcopy");
      await stage.expect("start without capability", start(), enable);
      await source.set("postcopy-ram");
      const early = refused("Postcopy must be started after migration has been started");
      await stage.expect("start without migration", start(), early);
      await source.set("-postcopy-ram", "dirty-bitmaps");
      await stage.expect("migrate", pair.migrate(), "ok");
      await source.until("active");
      await stage.expect("start with dirty-bitmaps", start(), "ok");
    },
  },
  {
    name: "command/device-add",
    claim: "a migrating source takes no new device; a target takes it without a word",
    async play(stage) {
      const pair = await stage.pair({ guest: "filled", parameters: slow });
      await stage.expect("migrate", pair.migrate(), "ok");
      await pair.source.until("active");
      await pair.target.until("active");
      const device = { driver: "virtio-rng-pci", id: "late" };
      const refusal = refused("device_add not allowed while migrating");
      await stage.expect("source", pair.source.ask("device_add", device), refusal);
      await stage.expect("target", pair.target.ask("device_add", device), "ok");
    },
  },
  {
    name: "command/unknown",
    claim: "a command that does not exist has an error class of its own",
    async play(stage) {
      const vm = await stage.vm("source");
      const text = "The command migrate-teleport has not been found";
      await stage.expect("answer", vm.ask("migrate-teleport"), `CommandNotFound: ${text}`);
    },
  },
  {
    name: "command/blocked",
    claim: "a device that cannot migrate is named by query-migrate and refuses migrate",
    async play(stage) {
      const usb = ["-device", "piix3-usb-uhci", "-netdev", "hubport,id=n,hubid=0"];
      const vm = await stage.vm("source", { more: [...usb, "-device", "usb-net,netdev=n"] });
      const { "blocked-reasons": reasons = null } = await vm.migration();
      await stage.expect("reasons", reasons, ["non-migratable device: 0000:00:02.0/1/usb-net"]);
      const refusal = refused("State blocked by non-migratable device '0000:00:02.0/1/usb-net'");
      await stage.expect("migrate", vm.ask("migrate", nowhere), refusal);
      await stage.expect("status", vm.status(), "none");
    },
  },
  {
    name: "command/nvme",
    claim: "nvme blocks a migration up to 10.0 and not in 11.1",
    async play(stage) {
      const drive = "if=none,id=d,driver=null-co,size=65536";
      const more = ["-drive", drive, "-device", "nvme,drive=d,serial=1"];
      const vm = await stage.vm("source", { more });
      const { "blocked-reasons": reasons = null } = await vm.migration();
      const nvme = ["non-migratable device: 0000:00:02.0/nvme"];
      await stage.expect("reasons", reasons, stage.pick({ "7.2": nvme, "11.1": null }));
    },
  },
  {
    name: "command/exec-with-return-path",
    claim: "exec cannot carry a return path: the source never gets beyond device",
    versions: since("10.0"),
    async play(stage) {
      const vm = await stage.vm("source");
      await stage.expect("capabilities", vm.set("events", "return-path"), "ok");
      await stage.expect("migrate", vm.ask("migrate", { uri: "exec:cat >/dev/null" }), "ok");
      await stage.expect("device", vm.seen("device"), true);
      await stage.expect("end", vm.seen("completed", 800), false);
      await stage.expect("status", vm.status(), "device");
    },
  },
];
