import type { MigrationId } from "../../../core/id.ts";
import type { ArgsOf } from "../../../core/protocol/command.ts";
import { DOWNTIME_LIMIT_MS } from "../../../core/qemu/parameters.ts";
import { QmpTimeoutError } from "../../../qmp/error.ts";
import type { Emit } from "../../guest/emit.ts";
import type { Guest } from "../../guest/guest.ts";
import type { Resources } from "../../guest/resources.ts";
import type { MigrationHooks } from "../../hooks/migration-hooks.ts";
import type { Log } from "../../runtime/log.ts";
import { identityAt } from "../../storage/copy-images.ts";
import { readDisks } from "../../twin/read.ts";
import {
  applySettings,
  type Capabilities,
  type Parameters,
  readCapabilities,
  readParameters,
} from "../settings.ts";
import type { TlsConfig } from "../tls.ts";
import { traceAck } from "./ack-trace.ts";
import { FLOOD_PARAMETERS } from "./flood-control.ts";
import { LADDER_PARAMETERS } from "./ladder.ts";

export type SourceOptions = {
  guest: Guest;
  id: MigrationId;
  epoch: number;
  emit: Emit;
  log: Log;
  progressIntervalMs: number;
  tls?: TlsConfig | undefined;
  hooks: MigrationHooks;
  /** What this host has for the placeholders of definitions. */
  resources: Resources;
};

type StartArgs = ArgsOf<"source.start">;
type Identity = { id: MigrationId; epoch: number };

export type Before = { parameters: Parameters; capabilities: Capabilities };

/** Reads what a migration with these settings may change, as it is before. */
export async function readBefore({ qmp }: Guest, { settings }: StartArgs): Promise<Before> {
  const names = [...Object.keys(settings.parameters), ...FLOOD_PARAMETERS, ...LADDER_PARAMETERS];
  const [parameters, capabilities] = await Promise.all([
    readParameters(qmp, names),
    readCapabilities(qmp),
  ]);
  return { parameters, capabilities };
}

/**
 * Sets QEMU up as agreed, and writes down all that a restarted agent needs to continue.
 *
 * @throws QmpError
 */
export async function setUpSource(
  guest: Guest,
  { id, epoch }: Identity,
  args: StartArgs,
  { parameters: before, capabilities }: Before,
  log: Log,
): Promise<void> {
  const { ackExpected, linkBytesPerSecond, gate, climb, tls, silenceMs, copies } = args;
  const [{ status: runStateBefore }, logOffset, copied] = await Promise.all([
    guest.qmp.execute("query-status"),
    ackExpected ? traceAck(guest, log) : undefined,
    copies === undefined ? undefined : copiesToNote(guest, copies, gate !== undefined),
    applySettings(guest.qmp, args.settings, capabilities),
  ]);
  const now = { ...before, ...args.settings.parameters };
  const agreed = Object.fromEntries(
    FLOOD_PARAMETERS.map((name) => [name, now[name]]).filter(([, value]) => value !== undefined),
  );
  const limit = args.settings.parameters["downtime-limit"];
  guest.note({
    migration: {
      id,
      epoch,
      side: "source",
      over: false,
      handover: { ...args.handover, key: args.handoverKey },
      ackExpected,
      runStateBefore,
      agreed,
      before,
      downtimeLimitMs: typeof limit === "number" ? limit : DOWNTIME_LIMIT_MS,
      deadlineAtMs: Date.now() + args.precopyDeadlineMs,
      ...(linkBytesPerSecond === undefined ? {} : { linkBytesPerSecond }),
      ...(silenceMs === undefined ? {} : { silenceMs }),
      ...(gate || copies ? { gate: gate ?? {} } : {}),
      ...(copied ? { copies: copied } : {}),
      ...(climb ? { ladder: { climb, climbed: 0 } } : {}),
      ...(tls ? { tls } : {}),
      outputOffset: guest.outputBytes,
      ...(logOffset === undefined ? {} : { logOffset }),
    },
  });
}

/** Which files are the source's images is what its QEMU says, not the command. @throws QmpError */
async function copiesToNote(
  { qmp, manifest }: Guest,
  copies: NonNullable<StartArgs["copies"]>,
  isGated: boolean,
) {
  const open = await readDisks(qmp, manifest.pid);
  const left = copies.filter(({ sourceAfter }) => sourceAfter === "removed");
  const toRemove = left.flatMap(({ sourceNode }) => {
    const [file, ...others] = open.leaves(sourceNode);
    if (file?.driver !== "file" || others.length > 0) return [];
    const identity = identityAt(file.name);
    return identity === undefined ? [] : [{ path: file.name, identity }];
  });
  const disks = copies.map(({ disk, sourceNode }) => {
    const path = open.leaves(sourceNode)[0]?.name;
    return { disk, sourceNode, ...(path === undefined ? {} : { path }) };
  });
  return { disks, isGated, isStarted: false, ...(toRemove.length > 0 ? { toRemove } : {}) };
}

/** The guest's run state before the switchover, as last written down; older agents had a flag. */
export function runStateBefore({ manifest }: Guest): string {
  const { runStateBefore: known, wasRunning } = manifest.migration ?? {};
  return known ?? (wasRunning === false ? "paused" : "running");
}

/** QEMU did not answer `migrate` in time: it is unknown whether the migration runs. */
export function mayHaveStarted(error: unknown): boolean {
  return error instanceof QmpTimeoutError && error.command === "migrate" && error.sent;
}
