import { isDeepStrictEqual } from "node:util";
import { liveChange, NotLiveError, withAddresses } from "../../core/definition/live-change.ts";
import type { ArgsOf, Command, ResultOf } from "../../core/protocol/command.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { refuseUnlessAllowed } from "../guest/allowed.ts";
import type { Guest } from "../guest/guest.ts";
import { addressesOf, changeLive } from "../guest/live-change.ts";
import { resolveResources } from "../guest/resources.ts";
import { tapNames } from "../guest/taps.ts";
import { type Context, refuseIfUnderWay } from "./context.ts";
import { refuseUnlessOwned } from "./control.ts";
import { proveDefinition } from "./discover.ts";

/**
 * Makes a guest as another definition says, while it runs, and proves that it is so. The answer has
 * the addresses on their PCI bus of the devices that the definition leaves to QEMU: the next QEMU could
 * choose others, now that devices have come and gone.
 */
export async function changeGuest(
  context: Context,
  { vm }: Command,
  { definition, force = false, acceptDifferences }: ArgsOf<"guest.change">,
): Promise<ResultOf<"guest.change">> {
  const guest = context.guests.get(vm);
  refuseIfUnderWay(guest);
  refuseUnlessOwned(guest, (await guest.qmp.execute("query-status")).status);
  refuseUnlessAllowed(definition, context.config);
  const before = guest.manifest.definition;
  const change = planOf(before, definition);
  const { resolved, taps } = resolve(context, guest, definition);
  const { undo, finish } = await changeLive({ qmp: guest.qmp, vm, resolved, taps, force }, change);
  const proved = await prove(context, guest, { definition, acceptDifferences }).catch(
    async (error: unknown) => {
      await undo();
      throw error;
    },
  );
  // What nothing uses does no harm, and the guest is as its definition says.
  await finish().catch((error: unknown) => {
    context.log.warn({ vm, error }, "parts that the guest does not use any more have stayed");
  });
  context.log.info({ vm, change }, "guest changed");
  return proved;
}

async function prove(
  context: Context,
  guest: Guest,
  { definition, acceptDifferences }: ArgsOf<"guest.define">,
): Promise<ResultOf<"guest.change">> {
  const addresses = await addressesOf(guest.qmp, definition.devices);
  const wanted = { definition: withAddresses(definition, addresses), acceptDifferences };
  const { comparison } = await proveDefinition(context, guest, wanted);
  return { addresses, comparison };
}

function planOf(before: VmDefinition, after: VmDefinition) {
  try {
    return liveChange(before, after);
  } catch (error) {
    if (!(error instanceof NotLiveError)) throw error;
    throw new CommandRefusedError("refused", error.message);
  }
}

/** The new definition with this host's values, and the taps of networks that come and go. */
function resolve({ config }: Context, guest: Guest, definition: VmDefinition) {
  const { folder, manifest } = guest;
  const { definition: resolved, taps } = resolveResources(definition, config.resources, folder);
  const had = manifest.definition.netdevs ?? [];
  const has = definition.netdevs ?? [];
  const isNew = (one: unknown) => !had.some((other) => isDeepStrictEqual(one, other));
  const isGone = (one: unknown) => !has.some((other) => isDeepStrictEqual(one, other));
  const made = has.filter(isNew).flatMap((netdev) => {
    const [name] = tapNames({ ...definition, netdevs: [netdev] }, folder);
    const tap = taps.find((one) => one.name === name);
    return tap === undefined ? [] : [{ netdev: String(netdev.id), tap }];
  });
  if (made.length > 0 && manifest.adopted) {
    throw new CommandRefusedError(
      "refused",
      `The guest ${guest.vm} was adopted: its agent makes no taps for it before it has moved`,
    );
  }
  const gone = { ...manifest.definition, netdevs: had.filter(isGone) };
  const removed = manifest.adopted ? [] : tapNames(gone, folder);
  return { resolved, taps: { made, removed } };
}
