import { control } from "../acting.ts";
import type { Dialogue } from "../dialogue.ts";
import { type Json, refused } from "../expectation.ts";
import { since } from "../generation.ts";
import type { Pair } from "../pair.ts";
import type { Stage } from "../stage.ts";
import type { Vm } from "../vm.ts";

const LOCKED = refused('Failed to get "write" lock');
const IMAGE_BYTES = 1024 * 1024;

/** Image locks and block jobs. */
export const diskDialogues: Dialogue[] = [
  {
    name: "disk/lock-on-target",
    claim: "cont is refused while another process holds the image's lock, and accepted afterwards",
    // 7.2 takes the lock as soon as it has loaded, even with -S.
    versions: since("10.0"),
    async play(stage) {
      const { pair, disk } = await movedWithDisk(stage);
      await pair.source.ask("quit");
      await pair.source.exit();
      const release = await lock(stage, pair.target, disk);
      await stage.expect("cont", pair.target.ask("cont"), LOCKED);
      await stage.expect("run state", pair.target.runState(), "paused");
      await stage.expect("again", pair.target.ask("cont"), LOCKED);
      await release();
      await stage.expect("then", pair.target.ask("cont"), "ok");
      await stage.expect("runs", pair.target.runState(), "running");
    },
  },
  {
    name: "disk/lock-on-source",
    claim: "a completed source does not run again while the target has its disk",
    async play(stage) {
      const { pair } = await movedWithDisk(stage);
      const { source, target } = pair;
      await stage.expect("target", target.ask("cont"), "ok");
      if (source.control !== undefined) await control(source.control, { kind: "disk-lock" });
      await stage.expect("source", source.ask("cont"), LOCKED);
      await stage.expect("run state", source.runState(), "postmigrate");
    },
  },
  {
    name: "disk/jobs",
    claim: "query-jobs and query-block-jobs list a running job, which a cancel ends",
    async play(stage) {
      const node = (name: string) => `driver=null-co,node-name=${name},size=1073741824`;
      const more = ["-blockdev", node("a"), "-blockdev", node("b")];
      const vm = await stage.vm("source", { more });
      await stage.expect("none", vm.ask("query-jobs"), []);
      await stage.expect("no block job", vm.ask("query-block-jobs"), []);
      const backup = { "job-id": "job", device: "a", target: "b", sync: "full", speed: 1 };
      await stage.expect("backup", vm.ask("blockdev-backup", backup), "ok");
      const jobs = async () => members(await vm.ask("query-jobs"), ["id", "type", "status"]);
      await stage.expect("job", jobs(), [{ id: "job", type: "backup", status: "running" }]);
      const names = ["device", "type", "status", "ready", "paused", "len"];
      const blockJob = members(await vm.ask("query-block-jobs"), names);
      const about = { device: "job", type: "backup", status: "running" };
      const rest = { ready: false, paused: false, len: 1_073_741_824 };
      await stage.expect("block job", blockJob, [{ ...about, ...rest }]);
      await stage.expect("cancel", vm.ask("job-cancel", { id: "job" }), "ok");
      await stage.expect("cancelled", vm.seen("BLOCK_JOB_CANCELLED"), true);
      await stage.expect("none then", vm.ask("query-jobs"), []);
      const unknown = refused("Job not found");
      await stage.expect("cancel again", vm.ask("job-cancel", { id: "job" }), unknown);
    },
  },
];

/** A guest with a disk in a file, moved to a target that is paused. */
async function movedWithDisk(stage: Stage): Promise<{ pair: Pair; disk: string[] }> {
  const folder = await stage.files({ "disk.img": "\0".repeat(IMAGE_BYTES) });
  const file = `driver=file,filename=${folder}/disk.img,node-name=disk,locking=on`;
  const disk = ["-blockdev", file, "-device", "ide-hd,drive=disk,id=hd,bus=ide.0"];
  const sourceCapabilities = ["return-path"];
  const pair = await stage.pair({ sourceCapabilities, more: disk, target: { paused: true } });
  await stage.expect("migrate", pair.migrate(), "ok");
  await stage.expect("source completed", pair.source.until("completed"), "completed");
  await stage.expect("target completed", pair.target.until("completed"), "completed");
  return { pair, disk };
}

/** Another process takes the image's lock; the result releases it. Models lock no files. */
async function lock(stage: Stage, vm: Vm, disk: string[]): Promise<() => Promise<void>> {
  const { control: path } = vm;
  if (path !== undefined) {
    await control(path, { kind: "disk-lock" });
    return () => control(path, { kind: "disk-unlock" });
  }
  const holder = await stage.vm("holder", { more: disk });
  return () => holder.kill();
}

/** The named members of each item. */
function members(items: Json, names: readonly string[]): Json {
  return (items as Record<string, Json>[]).map((item) =>
    Object.fromEntries(names.map((name) => [name, item[name] ?? null])),
  );
}
