import type { VmId } from "../id.ts";
import type { Blocker } from "../negotiate/agreement.ts";
import { isLearned, unknownDisks } from "./estimate.ts";
import type { EtaBand } from "./eta.ts";
import type { Fleet } from "./fleet.ts";
import type { LowerBound } from "./lower-bound.ts";
import { isArriving, type Move } from "./move.ts";
import type { NPlusOne } from "./n-plus-one.ts";
import type { PlanOptions } from "./options.ts";
import type { Plan } from "./plan-result.ts";
import type { ReportInput } from "./report-input.ts";
import { gigabits, seconds, shortList, size } from "./wording.ts";

/** `impossible`: no schedule could keep the deadline or the window. */
export function inTime(bound: LowerBound, band: EtaBand, options: PlanOptions): Plan["inTime"] {
  const limitMs = limitOf(options);
  if (bound.ms > limitMs) return "impossible";
  return band.ms > limitMs ? "late" : "yes";
}

function limitOf({ deadlineMs, windowMs }: PlanOptions): number {
  const none = Number.POSITIVE_INFINITY;
  return Math.min(deadlineMs ?? none, windowMs ?? none);
}

/** Why the plan as a whole cannot be carried out. */
export function refusalsOf({ assignment, nPlusOne, bound, options }: ReportInput): Blocker[] {
  const found: Blocker[] = [];
  if (nPlusOne !== undefined && !nPlusOne.isKept) {
    const { host, vm, needBytes = 0, roomBytes = 0 } = nPlusOne;
    found.push({
      code: "n-plus-one",
      field: "keepNPlusOne",
      message: `If ${host} fails, ${vm} finds no place: it needs ${size(needBytes)}, and no other host has more than ${size(roomBytes)} for it`,
      cure: `Add ${size(Math.max(0, needBytes - roomBytes))} of memory to a host that can take ${vm}, empty fewer hosts, or do without keepNPlusOne`,
    });
  }
  if (assignment.moves.length === 0) {
    const isEmpty = assignment.unplaced.length === 0 && assignment.keeping.size === 0;
    found.push({
      code: "nothing-to-move",
      message: isEmpty
        ? "No guest is on the hosts that are to be emptied"
        : "No guest of the hosts that are to be emptied has a place",
      cure: isEmpty ? "Nothing has to be done" : "See the reasons and cures of each VM",
    });
  }
  if (bound.ms > limitOf(options)) {
    found.push({
      code: "not-in-time",
      field: options.deadlineMs === limitOf(options) ? "deadlineMs" : "windowMs",
      message: `It takes ${seconds(bound.ms)} at least, and has ${seconds(limitOf(options))}`,
      cure: "Give it more time, empty fewer hosts, or see what would make it faster",
    });
  }
  return found;
}

export function warningsOf(
  { assignment, fleet, bound, band, options }: ReportInput,
  beyond: readonly VmId[],
): string[] {
  const found: string[] = [];
  if (beyond.length > 0) {
    const count = options.windows?.length ?? 0;
    found.push(`${shortList(beyond)}: its turn does not come in ${count} windows`);
  }
  const divergent = assignment.moves.filter(({ estimate }) => !estimate.converges);
  if (divergent.length > 0) {
    const names = divergent.map(({ guest }) => guest.vm.id);
    found.push(
      `${shortList(names)}: dirties memory faster than it is sent, and does not converge without a convergence ladder`,
    );
  }
  found.push(...againWarnings(assignment.moves, fleet), ...returnWarnings(assignment.moves, fleet));
  const alone = assignment.moves.filter(({ guest }) => guest.vm.runsControlPlane);
  for (const { guest } of alone) {
    found.push(`${guest.vm.id}: the control plane runs in it, so nothing else moves meanwhile`);
  }
  for (const { brokenWishes } of assignment.moves) found.push(...brokenWishes);
  const limitMs = limitOf(options);
  if (bound.ms === limitMs) {
    found.push(`It takes ${seconds(bound.ms)} at least, which is all the time that it has`);
  } else if (bound.ms < limitMs && band.ms > limitMs) {
    found.push(`It is expected to take ${seconds(band.ms)}, and has ${seconds(limitMs)}`);
  }
  return found;
}

function againWarnings(moves: readonly Move[], { table }: Fleet): string[] {
  const found: string[] = [];
  const arriving = moves.filter(isArriving).map(({ guest }) => guest.vm.id);
  if (arriving.length > 0) {
    found.push(`${shortList(arriving)}: is on its way to a host that is emptied, and moves on`);
  }
  const again = moves.filter(({ after }) => after !== undefined);
  const [second] = again;
  if (second?.after !== undefined) {
    const { id } = table.row(second.after.source).host;
    const names = [...new Set(again.map(({ guest }) => guest.vm.id))];
    found.push(
      `${shortList(names)}: moves twice, as no host outside the plan or emptied before ${id} has room`,
    );
  }
  return found;
}

/** VMs that their source would not take back as it is now. */
function returnWarnings(moves: readonly Move[], { table, guests }: Fleet): string[] {
  const refused = moves.flatMap(({ guest, source, target }) => {
    const home = table.row(source).host;
    const { blockers } = guests.eligibility.verdict(guest.vm, table.row(target).host, home);
    const [first] = blockers;
    return first === undefined ? [] : [{ vm: guest.vm.id, message: first.message }];
  });
  return [...Map.groupBy(refused, ({ message }) => message)].map(
    ([message, list]) => `${shortList(list.map(({ vm }) => vm))} cannot come back: ${message}`,
  );
}

/** What was assumed because nobody knows it. */
export function assumptionsOf(
  { table, going, vms }: Pick<Fleet, "table" | "going" | "vms">,
  options: PlanOptions,
): string[] {
  const found: string[] = [];
  const unknown = table.rows
    .filter(({ host }) => !(host.linkInBytesPerSecond && host.linkOutBytesPerSecond))
    .map(({ host }) => host.id);
  if (unknown.length > 0) {
    const rate = gigabits(options.unknownLinkBytesPerSecond);
    found.push(`The speed of the links of ${shortList(unknown)} is not known: ${rate} is assumed`);
  }
  const guests = [...going.values()].flat().filter(({ vm }) => !isLearned(vm));
  if (guests.length > 0) {
    const share = Math.round(options.unknownWorkingSetShare * 100);
    found.push(
      `${guests.length} of ${vms.size} VMs have not moved yet: ${size(options.unknownDirtyBytesPerSecond)}/s over ${share} % of their memory is assumed for them`,
    );
  }
  const moving = [...going.values()].flat();
  const disks = moving.reduce((sum, { vm }) => sum + unknownDisks(vm).length, 0);
  if (disks > 0) {
    found.push(
      `The sizes of ${disks} disks that move with their VMs are not known: ${size(options.unknownDiskBytes)} is assumed for each; a dry run of such a migration finds them`,
    );
  }
  return found;
}

export function withText(found: NPlusOne): NPlusOne & { text: string } {
  const { isKept, host, vm, needBytes = 0, roomBytes = 0 } = found;
  if (host === undefined) return { ...found, text: "kept: no guests are left" };
  const word = isKept ? "kept; tightest" : "not kept";
  const text = `${word}: ${host} (${vm} needs ${size(needBytes)}, the largest room elsewhere is ${size(roomBytes)})`;
  return { ...found, text };
}
