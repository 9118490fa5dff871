import { existsSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import type { VmId } from "../../core/id.ts";
import type { ArgsOf, Command, ResultOf } from "../../core/protocol/command.ts";
import type { Proposal } from "../../core/protocol/proposal.ts";
import type { Difference } from "../../core/twin/comparison.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { compare, compareProcess, type DiscoveryHost, discover } from "../discovery/discover.ts";
import { findGuests } from "../discovery/find-guests.ts";
import { refuseUnlessAllowed } from "../guest/allowed.ts";
import type { Guest } from "../guest/guest.ts";
import { describeBinary } from "../probe/binary.ts";
import { type Context, refuseIfPresent, refuseIfUnderWay } from "./context.ts";

export function listGuests({ guests }: Context): ResultOf<"host.guests"> {
  return findGuests(guests.own);
}

export async function discoverGuest(
  context: Context,
  { vm }: Command,
  { qmpPath }: ArgsOf<"guest.discover">,
): Promise<Proposal> {
  await refuseIfPresent(context.guests, vm);
  if (!existsSync(qmpPath)) {
    throw new CommandRefusedError(
      "not-found",
      `There is no socket at ${qmpPath} on this host: list its guests to see their monitors`,
    );
  }
  return discover(vm, qmpPath, await discoveryHost(context));
}

async function discoveryHost({ config, guests }: Context): Promise<DiscoveryHost> {
  const { sandbox } = await describeBinary(config.qemu, config.stateDir);
  return { ...config, sandbox, own: guests.own };
}

/**
 * What the operator has confirmed is still so: the process is as it was proposed, and the definition
 * is the proposed one, or differs from the process by nothing more than that.
 *
 * @throws CommandRefusedError `differs`
 */
export async function confirmProposal(
  context: Context,
  vm: VmId,
  { definition, qmpPath, digest }: { definition: VmDefinition; qmpPath: string; digest: string },
): Promise<void> {
  const host = await discoveryHost(context);
  const now = await discover(vm, qmpPath, host);
  if (now.digest !== digest) {
    throw new CommandRefusedError(
      "differs",
      `The guest at ${qmpPath} is not as it was proposed: ask for another proposal`,
    );
  }
  if (isDeepStrictEqual(now.definition, definition)) return;
  const { comparison, notCompared } = await compareProcess(vm, qmpPath, { definition, host });
  if (comparison === undefined) {
    throw new CommandRefusedError(
      "differs",
      `The definition is not the proposed one, and could not be compared with the guest: ${notCompared}`,
    );
  }
  const known = new Set(now.comparison?.differences.map(({ name }) => name));
  const added = comparison.differences.find(({ name }) => !known.has(name));
  if (added === undefined) return;
  throw new CommandRefusedError(
    "differs",
    `The definition is not that of the guest: ${describeDifference(added)}`,
  );
}

/**
 * Corrects the definition of a guest that is in no migration. A QEMU of the new definition is compared
 * with the guest: what differs, and is not accepted by its name, refuses it.
 */
export async function defineGuest(
  context: Context,
  { vm }: Command,
  args: ArgsOf<"guest.define">,
): Promise<ResultOf<"guest.define">> {
  const guest = context.guests.get(vm);
  refuseIfUnderWay(guest);
  refuseUnlessAllowed(args.definition, context.config);
  return proveDefinition(context, guest, args);
}

/**
 * Compares a guest with a QEMU of a definition, and takes that for its definition if they are the
 * same.
 *
 * @throws CommandRefusedError `differs`
 */
export async function proveDefinition(
  context: Context,
  guest: Guest,
  { definition, acceptDifferences = [] }: ArgsOf<"guest.define">,
): Promise<ResultOf<"guest.define">> {
  const host = await discoveryHost(context);
  const { pid } = guest.manifest;
  const { vm, qmp } = guest;
  const { comparison, notCompared } = await compare({ vm, qmp, pid, definition, host });
  if (comparison === undefined) {
    throw new CommandRefusedError(
      "differs",
      `The definition could not be compared: ${notCompared}`,
    );
  }
  const added = comparison.differences.find(({ name }) => !acceptDifferences.includes(name));
  if (added !== undefined) {
    throw new CommandRefusedError(
      "differs",
      `The definition is not that of the guest: ${describeDifference(added)}`,
    );
  }
  // A migration may have begun meanwhile: then its own definition counts.
  refuseIfUnderWay(guest);
  guest.note({ definition });
  return { definition, comparison, ...(notCompared === undefined ? {} : { notCompared }) };
}

function describeDifference({ name, source, target }: Difference): string {
  return `${name}: the guest has ${source ?? "nothing"}, the definition gives ${target ?? "nothing"}`;
}
