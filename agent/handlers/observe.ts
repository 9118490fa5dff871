import type { Command } from "../../core/protocol/command.ts";
import type { Observation } from "../../core/protocol/observation.ts";
import { bootId } from "../runtime/process.ts";
import type { Context } from "./context.ts";

/** Without an answer within this time QEMU is reported as silent. */
const OBSERVE_MS = 5_000;

export async function observe({ guests }: Context, command: Command): Promise<Observation> {
  const { vm, migrationId } = command;
  const guest = guests.find(vm);
  const manifest = guest?.manifest ?? guests.exited(vm);
  const memory = manifest?.migration;
  const base = {
    // A process without a part in this migration can only be the guest where it has been before.
    side: memory !== undefined && memory.id === migrationId ? memory.side : "source",
    remembers: memory !== undefined && memory.id === migrationId,
    permittedToRun: manifest?.permittedToRun ?? false,
    contSent: manifest?.contSent ?? false,
    arrived: manifest?.arrived ?? false,
    ...(manifest?.runRefused === undefined ? {} : { runRefused: manifest.runRefused }),
    saidCompleted: memory?.saidCompletedAtMs !== undefined,
    bootId: bootId(),
    linkUp: guests.migrating(vm)?.linkUp ?? false,
    ...(memory ? { migrationId: memory.id } : {}),
  } as const;
  if (!guest) return { ...base, process: manifest ? "exited" : "none" };
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
