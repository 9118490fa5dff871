import { type Action, act, failingDisk, panicDevice } from "../acting.ts";
import type { Dialogue } from "../dialogue.ts";
import { type Expected, refused } from "../expectation.ts";
import type { Pair } from "../pair.ts";
import type { Stage } from "../stage.ts";

type PerVersion<T> = Parameters<typeof Stage.prototype.pick<T>>[0];

/** A guest that does not run, and its state after a migration. */
type Row = {
  name: string;
  claim: string;
  /** Default: the guest only does not start (`-S`). */
  action?: Action | "stop";
  more?: string[];
  before: string;
  /** The target's run state when it has everything, and what `cont` makes of it. */
  arrives: PerVersion<string>;
  cont?: Expected;
  continuesAs: PerVersion<string>;
  /** What `cont` makes of the completed source; `closed`: QEMU aborts. Default `running`. */
  sourceThen?: PerVersion<string>;
  /** The source's run state after a cancel in pre-switchover. Default: `before`, on 7.2 postmigrate. */
  cancelled?: PerVersion<string>;
  /** Whether the switchover emits STOP. Default: no. */
  stops?: boolean;
};

const rows: readonly Row[] = [
  {
    name: "paused",
    claim: "a paused guest arrives paused, and cont runs it",
    action: "stop",
    before: "paused",
    arrives: { "7.2": "paused" },
    continuesAs: { "7.2": "running" },
  },
  {
    name: "prelaunch",
    claim: "a guest that has not started arrives in prelaunch, and cont starts it",
    before: "prelaunch",
    arrives: { "7.2": "prelaunch" },
    continuesAs: { "7.2": "running" },
  },
  {
    name: "asleep",
    claim:
      "from 9.0 a sleeping guest arrives paused and cont puts it to sleep, but aborts the completed source; 7.2 wakes it up",
    action: "sleep",
    before: "suspended",
    arrives: { "7.2": "paused" },
    continuesAs: { "7.2": "running", "10.0": "suspended" },
    sourceThen: { "7.2": "running", "10.0": "closed" },
    cancelled: { "7.2": "running", "10.0": "suspended" },
    stops: true,
  },
  {
    name: "powered-off",
    claim:
      "a guest that has powered itself off arrives so: the target refuses cont, the source not",
    action: "power-off",
    more: ["-no-shutdown"],
    before: "shutdown",
    arrives: { "7.2": "shutdown" },
    cont: refused("Resetting the Virtual Machine is required"),
    continuesAs: { "7.2": "shutdown" },
  },
  {
    name: "panicked",
    claim: "a guest that has panicked arrives so, and cont runs it",
    action: "panic",
    more: [...panicDevice, "-action", "panic=pause"],
    before: "guest-panicked",
    arrives: { "7.2": "guest-panicked" },
    continuesAs: { "7.2": "running" },
  },
  {
    name: "io-error",
    claim: "a guest that met a disk error arrives so, and cont tries the access on the target",
    action: "io-error",
    more: failingDisk(1),
    before: "io-error",
    arrives: { "7.2": "io-error" },
    // The target's own disk fails once, too.
    continuesAs: { "7.2": "io-error" },
  },
];

/** Guests that do not run, moved. */
export const actingMoveDialogues: Dialogue[] = rows.flatMap((row) => [moves(row), cancels(row)]);

function moves(row: Row): Dialogue {
  return {
    name: `acting/${row.name}-moves`,
    claim: row.claim,
    async play(stage) {
      const pair = await stopped(stage, row, ["return-path"]);
      const { source, target } = pair;
      const before = source.story().length;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("source", source.until("completed"), "completed");
      await stage.expect("target", target.until("completed"), "completed");
      await stage.expect("STOP", source.story().slice(before).includes("STOP"), row.stops === true);
      await stage.expect("source run state", source.runState(), "postmigrate");
      await stage.expect("arrives", target.runState(), stage.pick(row.arrives));
      if (row.name === "io-error" && target.control !== undefined) await act(target, "io-error");
      await stage.expect("cont", target.ask("cont"), row.cont ?? "ok");
      const then = stage.pick(row.continuesAs);
      await stage.expect("then", target.untilRunState(then), then);
      const sourceThen = stage.pick(row.sourceThen ?? { "7.2": "running" });
      const ends = sourceThen === "closed";
      await stage.expect("cont on the source", source.ask("cont"), ends ? "closed" : "ok");
      await stage.expect("source then", source.runState(), sourceThen);
      if (!ends) return;
      await stage.expect("exit", source.exit(), "SIGABRT");
      const why = /invalid runstate transition: 'postmigrate' -> 'suspended'/;
      await stage.expect("why", source.stderr(), why);
    },
  };
}

function cancels(row: Row): Dialogue {
  return {
    name: `acting/${row.name}-cancelled`,
    claim: `after a cancel in pre-switchover a guest in ${row.before} is as before, on 7.2 in postmigrate or awake`,
    async play(stage) {
      const capabilities = ["return-path", "pause-before-switchover"];
      const pair = await stopped(stage, row, capabilities);
      const { source } = pair;
      await stage.expect("migrate", pair.migrate(), "ok");
      await stage.expect("state", source.until("pre-switchover"), "pre-switchover");
      await stage.expect("run state", source.runState(), "finish-migrate");
      const unfinished = refused("Migration is not finalized yet");
      await stage.expect("cont", source.ask("cont"), unfinished);
      await stage.expect("cancel", source.ask("migrate_cancel"), "ok");
      await stage.expect("end", source.until("cancelled"), "cancelled");
      const after = stage.pick(row.cancelled ?? { "7.2": "postmigrate", "10.0": row.before });
      await stage.expect("then", source.untilRunState(after), after);
    },
  };
}

/** A pair whose source is in the row's run state; the target is started with -S. */
async function stopped(stage: Stage, row: Row, sourceCapabilities: string[]): Promise<Pair> {
  const pair = await stage.pair({
    sourceCapabilities,
    more: row.more ?? [],
    source: { paused: row.action === undefined },
    target: { paused: true },
  });
  const { source } = pair;
  if (row.action === "stop") await source.ask("stop");
  else if (row.action !== undefined) await act(source, row.action);
  await stage.expect("before", source.untilRunState(row.before), row.before);
  await source.ask("query-status");
  return pair;
}
