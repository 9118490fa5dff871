import type { VmId } from "../../core/id.ts";
import type { ArgsOf, Command, ResultOf } from "../../core/protocol/command.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { refuseUnlessAllowed } from "../guest/allowed.ts";
import type { Guest } from "../guest/guest.ts";
import { HandoverClient } from "../migrate/link/handover-client.ts";
import { HandoverServer } from "../migrate/link/handover-server.ts";
import { listenInRange } from "../migrate/link/port-range.ts";
import { SourceTwinCheck } from "../migrate/source/twin-check.ts";
import { TargetReader } from "../migrate/target/read-target.ts";
import { wantedImages } from "../probe/copy-places.ts";
import { placeholdersOf } from "../twin/placeholders.ts";
import { type Context, refuseIfUnderWay } from "./context.ts";
import { startTarget } from "./target.ts";

/**
 * Starts a target as a migration would, and listens for the source's agent: for the twin check of a
 * dry run. `target.discard` ends it; so do a migration of the VM, its time, and a restart of the
 * agent.
 */
export async function rehearseTarget(
  context: Context,
  { vm }: Command,
  args: ArgsOf<"target.rehearse">,
): Promise<ResultOf<"target.rehearse">> {
  const { config, guests } = context;
  if (config.hooks.prepare !== undefined) {
    return { cannot: "the target's host has a `prepare` hook, which only a migration runs" };
  }
  refuseUnlessAllowed(args.definition, config);
  if (guests.isPresent(vm) || guests.prestarted.has(vm)) {
    throw new CommandRefusedError("refused", `This host has a process of ${vm} already`);
  }
  try {
    return { handover: await startRehearsal(context, vm, args) };
  } catch (error) {
    await guests.prestarted.discard(vm);
    throw error;
  }
}

async function startRehearsal(
  context: Context,
  vm: VmId,
  { migrationId, definition, copies, handoverKey }: ArgsOf<"target.rehearse">,
) {
  const { config, guests } = context;
  const images = wantedImages(copies ?? [], definition, config.resources);
  let server: HandoverServer | undefined;
  const guest = await guests.prestarted.start(
    vm,
    { migrationId, definition },
    () => startTarget(context, vm, definition, images),
    () => server?.close(),
  );
  if (guest === undefined) throw new CommandRefusedError("refused", `${vm} is being prepared here`);
  server = await listen(context, guest, { migrationId, handoverKey });
  // It may have been ended meanwhile.
  if (!guests.prestarted.has(vm)) server.close();
  return { address: config.migrationAddress, port: server.port };
}

function listen(
  { config }: Context,
  guest: Guest,
  { migrationId, handoverKey: key }: Pick<ArgsOf<"target.rehearse">, "migrationId" | "handoverKey">,
): Promise<HandoverServer> {
  const target = { guest: () => guest, isReplacing: () => false };
  const reader = new TargetReader(target, config.resources);
  reader.begin();
  const refuse = async () => {
    throw new Error("This is the target of a dry run");
  };
  return listenInRange(config.migrationPorts, config.migrationAddress, (port) =>
    HandoverServer.listen({
      address: config.migrationAddress,
      port,
      key,
      migrationId,
      onHandedOver: refuse,
      onCopy: refuse,
      onRead: (what) => reader.read(what),
      onInspect: (request) => reader.inspect(request),
    }),
  );
}

/** Compares the guest with the target of a dry run. It changes nothing. */
export async function rehearseSource(
  { config, guests }: Context,
  { vm }: Command,
  { migrationId, handover, handoverKey, acceptDifferences }: ArgsOf<"source.rehearse">,
): Promise<ResultOf<"source.rehearse">> {
  const guest = guests.get(vm);
  refuseIfUnderWay(guest);
  const { definition } = guest.manifest;
  const check = new SourceTwinCheck(guest, placeholdersOf(definition, config.resources));
  const link = await HandoverClient.connect({
    address: { ...handover, key: handoverKey },
    migrationId,
  });
  try {
    return { twinCheck: await check.run(link, acceptDifferences) };
  } finally {
    link.close();
  }
}
