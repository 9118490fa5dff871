import type { Command } from "../../core/protocol/command.ts";
import type { Observation } from "../../core/protocol/observation.ts";
import type { Guests, Migrating } from "../guest/guests.ts";
import type { Memory } from "../guest/migration-memory.ts";
import { pause } from "../runtime/backoff.ts";
import { bootId } from "../runtime/process.ts";
import type { Context } from "./context.ts";

/** Without an answer within this time QEMU is reported as silent. */
const OBSERVE_MS = 5_000;

export async function observe({ guests }: Context, command: Command): Promise<Observation> {
  const { vm } = command;
  await settled(guests.migrating(vm));
  const guest = guests.find(vm);
  const base = { ...recall(guests, command), linkUp: guests.migrating(vm)?.linkUp ?? false };
  if (!guest) return base;
  const memory = guest.manifest.migration;
  if (!guest.isAlive) return { ...base, process: "exited" };
  try {
    const [status, info] = await Promise.all([
      guest.qmp.execute("query-status", {}, { timeoutMs: OBSERVE_MS }),
      guest.qmp.execute("query-migrate", {}, { timeoutMs: OBSERVE_MS }),
    ]);
    const errorDescription = info["error-desc"];
    return {
      ...base,
      process: "running",
      runState: status.status,
      ...(info.status === undefined ? {} : { migrationStatus: info.status }),
      ...(errorDescription === undefined ? {} : { errorDescription }),
    };
  } catch {
    if (!guest.isAlive) return { ...base, process: "exited" };
    // A guest that waits for its memory can make QEMU silent: then the manifest has the status.
    const isPostcopy = memory?.postcopy?.active === true && !memory.over;
    const status = isPostcopy ? { migrationStatus: "postcopy-active" } : {};
    return { ...base, process: "silent", ...status };
  }
}

async function settled(migrating: Migrating | undefined): Promise<void> {
  const late = new AbortController();
  await Promise.race([migrating?.settle?.(), pause(OBSERVE_MS, late.signal)]);
  late.abort();
}

/** What this host remembers; `process` is that of a host on which the VM has no living process. */
function recall(guests: Guests, { vm, migrationId }: Command): Omit<Observation, "linkUp"> {
  const exited = guests.exited(vm);
  const manifest = guests.find(vm)?.manifest ?? exited?.manifest;
  const last = manifest?.migration;
  const isPart = last !== undefined && last.id === migrationId;
  const none = { process: "none", remembers: false, bootId: bootId() } as const;
  if (!isPart && !guests.find(vm) && migrationId) {
    const recorded = guests.memory.find(migrationId);
    if (recorded?.side === "target") return recallTarget(recorded);
  }
  const isForgotten =
    isPart && last.side === "target" && exited?.isWhole === false && !manifest?.permittedToRun;
  if (manifest === undefined || isForgotten) {
    // After a crash of the host the run grant may be missing: that is no proof that it was not given.
    return { ...none, ...noFacts, side: isForgotten ? "target" : "source" };
  }
  const { permittedToRun, contSent, arrived, runRefused } = manifest;
  return {
    // A process without a part in this migration can only be the guest where it has been before.
    side: isPart ? last.side : "source",
    process: "exited",
    remembers: isPart || (migrationId && guests.memory.find(migrationId)) !== undefined,
    bootId: bootId(),
    permittedToRun,
    contSent,
    arrived,
    ...(runRefused === undefined ? {} : { runRefused }),
    saidCompleted: isPart && last.saidCompletedAtMs !== undefined,
    ...(isPart && last.returnedAtMs !== undefined ? { returned: true } : {}),
    ...(last ? { migrationId: last.id } : {}),
  };
}

const noFacts = { permittedToRun: false, contSent: false, arrived: false, saidCompleted: false };

/** The manifest is lost with the run directory, or is that of another migration. */
function recallTarget(recorded: Memory): Omit<Observation, "linkUp"> {
  const { permittedToRun, contSent, arrived, runRefused, saidCompleted } = recorded;
  return {
    side: "target",
    process: permittedToRun ? "exited" : "none",
    // What was not flushed before a crash of the host is missing.
    remembers: permittedToRun || recorded.bootId === bootId(),
    bootId: bootId(),
    permittedToRun,
    contSent,
    arrived,
    ...(runRefused === undefined ? {} : { runRefused }),
    saidCompleted,
  };
}
