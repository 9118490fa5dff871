import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import { chooseQemu } from "../../rig/qemu.ts";
import { Bed } from "./bed.ts";
import {
  type Fault,
  type HostVictim,
  type Moment,
  moments,
  policyOf,
  type Victim,
  victims,
} from "./plan.ts";
import { type Outcome, Run } from "./run.ts";
import { World } from "./world.ts";

const FILE = resolve(import.meta.dirname, "../../docs/internals/kill-table.md");

/** Moments of each phase, and what happens in them when the process is killed. */
const rows: { phase: string; at: Moment; gated: boolean; how: string }[] = [
  { phase: "prepare", at: "preparing", gated: false, how: "`target.prepare` is on its way" },
  {
    phase: "prepare",
    at: "prepared",
    gated: false,
    how: "the target listens, which is not reported yet",
  },
  { phase: "precopy", at: "starting", gated: false, how: "`source.start` is on its way" },
  { phase: "precopy", at: "started", gated: false, how: "memory is being sent" },
  { phase: "await-ack", at: "held", gated: true, how: "converged; a gate holds, the guest runs" },
  {
    phase: "switchover",
    at: "stopped",
    gated: true,
    how: "the guest has stopped, data is sent slowly",
  },
  { phase: "switchover", at: "loaded", gated: false, how: "all is loaded, the source waits" },
  { phase: "confirm", at: "handing", gated: false, how: "completed; the handover link stalls" },
  {
    phase: "confirm",
    at: "running",
    gated: false,
    how: "the guest runs, the cloud has not got the event",
  },
];

/** Processes, and hosts that lose power: agent and QEMU at once, with another boot id afterwards. */
const all: (Victim | HostVictim)[] = [...victims, "source-host", "target-host"];

const program = new Command("faults:table")
  .description(
    "Kills each process and host in each phase on real QEMU; writes docs/internals/kill-table.md",
  )
  .option("--qemu <path>", "this QEMU on both hosts")
  .option("--only <text>", "only cases `moment victim` that contain this; writes no file", "")
  .parse();
const options = program.opts<{ qemu?: string; only: string }>();
const qemu = chooseQemu(options.qemu);
if (!qemu.real) throw new Error("Expected a real QEMU: the table is about QEMU");

const world = new World();
let bed: Bed | undefined;
let violations = 0;
const lines: string[] = [];
try {
  for (const row of rows) {
    for (const victim of all) {
      // That process does not exist yet.
      if (row.at === "preparing" && victim === "target-qemu") continue;
      if (!`${row.at} ${victim}`.includes(options.only)) continue;
      lines.push(await fill(row, victim));
    }
  }
} finally {
  await bed?.close();
  world.close();
}
const table = document(lines);
if (options.only === "") writeFileSync(FILE, table);
console.log(`\n${table}`);
process.exit(violations > 0 ? 1 : 0);

async function fill(row: (typeof rows)[number], victim: Victim | HostVictim): Promise<string> {
  bed ??= await Bed.start(world, qemu.path);
  const fault = faultOf(victim);
  const outcome = await Run.go(bed, {
    policy: policyOf(row.gated),
    gated: row.gated,
    permitAfterMs: 0,
    strikes: [{ at: row.at, afterMs: 0, fault }],
  });
  const place = placeOf(outcome);
  const isSound = outcome.violations.length === 0 && outcome.hit.length === 1;
  const { status, failure } = outcome.migration;
  const ending = failure === undefined ? status : `${status} (\`${failure.code}\`)`;
  const end = isSound ? ending : `**violated**: ${ending}`;
  console.log(`${isSound ? "ok" : "VIOLATED"} ${row.at} ${victim}: ${end}, ${place}`);
  if (!isSound) {
    violations += 1;
    for (const line of [...outcome.violations, ...outcome.log]) console.log(`   ${line}`);
    await bed.close();
    bed = undefined;
  }
  const { transitions } = outcome;
  return `| ${moments[row.at]} | ${row.how} | ${victim} | ${end} | ${place} | ${transitions} |`;
}

function faultOf(victim: Victim | HostVictim): Fault {
  const restartAfterMs = 500;
  if (victim === "source-host" || victim === "target-host") {
    return { kind: "crash", victim, left: "all", restartAfterMs };
  }
  return { kind: "kill", victim, restartAfterMs };
}

function placeOf({ runsOn, migration }: Outcome): string {
  if (runsOn === migration.source) return "source";
  return runsOn === migration.target ? "target" : "nowhere: its only copy was killed";
}

function document(rowLines: string[]): string {
  return `# What each kill leads to

What \`kill -9\` of each process in each phase leads to, tried on QEMU ${qemu.version} (TCG). A host is
killed with all its processes, and has booted again afterwards with all its files.
\`npm run faults:table\` writes this page. Agents and the coordinator are started again after half a
second, as a supervisor would. After each case it is checked that the workflow has ended, that
exactly one copy runs (or none, if the only one was killed) and continues to count with its memory
whole, that the records say where, and that no lock, slot, process or folder is left.

| phase | moment | killed | end of the migration | the guest runs on | transitions |
|---|---|---|---|---|---|
${rowLines.join("\n")}
`;
}
