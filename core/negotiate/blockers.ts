import type { QemuVersion, SourceProbe, TargetProbe } from "../protocol/probe.ts";
import { isIdleStatus } from "../qemu/migration-status.ts";
import { mayMove } from "../qemu/run-state.ts";
import type { Blocker } from "./agreement.ts";
import { cureOfBlockedReason } from "./blocked-reasons.ts";
import { machineBlockers } from "./machine.ts";
import { hostMemoryBlockers, memoryBlockers, neededBytes } from "./memory.ts";
import type { BothSides } from "./sides.ts";

/** What the two sides themselves rule out, whatever the policy says. */
export function findBlockers(sides: BothSides): Blocker[] {
  return [
    ...stateBlockers(sides),
    ...blockedReasons(sides.source),
    ...jobBlockers(sides.source),
    ...machineBlockers(sides),
    ...resourceBlockers(sides),
    ...listenBlockers(sides.target),
  ];
}

/** Of run states in which the guest is not at this host, or not yet. */
const runStateCures: Readonly<Record<string, string>> = {
  inmigrate: "Wait until the migration into this host has ended",
  postmigrate:
    "Resume the guest (POST /v1/vms/{id}/resume): it was paused when its last move failed, and QEMU moves it again only after it has run",
  "finish-migrate": "Wait until the migration that is under way has ended",
};

function stateBlockers({ source, target }: BothSides): Blocker[] {
  const found: Blocker[] = [];
  const { runState, migrationStatus } = source;
  const versions = { source: source.qemu.version, target: target.qemu.version };
  const verdict = mayMove(runState, versions);
  if (!verdict.mayMove) {
    found.push({
      code: "run-state",
      field: "source.runState",
      message: `Expected a run state that can be migrated from QEMU ${shortVersion(versions.source)} to ${shortVersion(versions.target)}, got \`${runState}\``,
      cure: runStateCures[runState] ?? capitalized(verdict.cure),
    });
  }
  if (!isIdleStatus(migrationStatus)) {
    found.push({
      code: "migration-in-progress",
      field: "source.migrationStatus",
      message: `Expected no migration to be in progress at the source, got \`${migrationStatus}\``,
      cure: "Wait until it has ended, or cancel it",
    });
  }
  return found;
}

function shortVersion({ major, minor }: QemuVersion): string {
  return `${major}.${minor}`;
}

function capitalized(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}

function blockedReasons({ blockers }: SourceProbe): Blocker[] {
  return blockers.map((reason) => ({
    code: "blocked",
    field: "source.blockers",
    message: `QEMU refuses to migrate this guest: ${reason}`,
    cure: cureOfBlockedReason(reason),
  }));
}

/** QEMU would fail the migration after it has stopped the guest, or end the job. */
function jobBlockers({ jobs = [] }: SourceProbe): Blocker[] {
  return jobs.map(({ id, type, status }) => ({
    code: "block-job",
    field: "source.jobs",
    message: `The block job ${id} (${type}) runs on a disk of the guest: ${status}`,
    cure: `Wait until ${id} has ended, or cancel it (QMP, job-cancel), then migrate again`,
  }));
}

function listenBlockers({ cannotListen }: TargetProbe): Blocker[] {
  if (cannotListen === undefined) return [];
  return [
    {
      code: "cannot-listen",
      field: "target.cannotListen",
      message: `The target cannot listen for the migration: ${cannotListen}`,
      cure: "Correct `migrationAddress` or `migrationPorts` in the target agent's configuration",
    },
  ];
}

function resourceBlockers({ source, target, definition }: BothSides): Blocker[] {
  const found: Blocker[] = memoryBlockers({
    neededBytes: neededBytes({ source, definition }),
    freeBytes: target.memoryFreeBytes,
  });
  found.push(...hostMemoryBlockers({ source, target, definition }));
  if (target.vmPresent) {
    found.push({
      code: "vm-present",
      field: "target.vmPresent",
      message: "The target already has a process for this VM",
      cure: "Let a person examine that process and end it; it may be a copy left by an earlier migration",
    });
  }
  if (!target.accelerators.includes(source.accelerator)) {
    found.push({
      code: "accelerator-missing",
      field: "target.accelerators",
      message: `The guest runs with ${source.accelerator}, and the target has ${target.accelerators.join(", ") || "none"}`,
      cure:
        source.accelerator === "kvm"
          ? "Give the target's agent access to /dev/kvm, or choose another host"
          : `Install QEMU's ${source.accelerator} on the target, or choose another host`,
    });
  }
  return found;
}
