import type { ArgsOf } from "../../../core/protocol/command.ts";
import type { MigrationInfo, SocketAddress } from "../../../qmp/migration.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import type { Guest } from "../../guest/guest.ts";
import type { Log } from "../../runtime/log.ts";
import { applySettings } from "../settings.ts";
import type { TlsCredentials } from "../tls.ts";
import { tracePending } from "./pending-watch.ts";
import { hostPart } from "./postcopy.ts";

/**
 * Sets a target's QEMU up and lets it listen on `address`. All commands are sent at once: QEMU takes
 * them in order, and the caller ends a target that refuses one.
 *
 * @returns the URI for the source
 * @throws CommandRefusedError, QmpError
 */
export async function setUpTarget(
  guest: Guest,
  args: ArgsOf<"target.prepare">,
  { address, tls, log }: { address: string; tls: TlsCredentials; log: Log },
): Promise<string> {
  const { qmp } = guest;
  const [{ exitOnError }] = await Promise.all([guest.probe(), tls.make(args)]);
  const isAcked = args.settings.capabilities["switchover-ack"];
  const tracing = isAcked ? tracePending(guest, log) : undefined;
  const applying = applySettings(qmp, args.settings);
  const incoming = qmp.execute("migrate-incoming", {
    uri: `tcp:${hostPart(address)}:0`,
    // A target that does not exit reports why it failed; the cloud has it ended.
    ...(exitOnError ? { "exit-on-error": false } : {}),
  });
  const reading = qmp.execute("query-migrate");
  const [info] = await Promise.all([reading, incoming, applying, tracing]);
  return toUri(info, address);
}

function toUri(info: MigrationInfo, address: string): string {
  const addresses: readonly SocketAddress[] = info["socket-address"] ?? [];
  const port = addresses.find((entry) => entry.type === "inet")?.port;
  if (port === undefined) {
    throw new CommandRefusedError("qemu", "QEMU does not report where it listens");
  }
  return `tcp:${hostPart(address)}:${port}`;
}
