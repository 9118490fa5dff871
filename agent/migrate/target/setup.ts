import type { ArgsOf, ResultOf } from "../../../core/protocol/command.ts";
import { neededBy } from "../../../core/qemu/capability-rules.ts";
import type { QmpClient } from "../../../qmp/client.ts";
import { QmpCommandError } from "../../../qmp/error.ts";
import type { SocketAddress } from "../../../qmp/migration.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import type { Guest } from "../../guest/guest.ts";
import { listeningPorts } from "../../runtime/listening-ports.ts";
import type { Log } from "../../runtime/log.ts";
import { openInodes } from "../../runtime/open-sockets.ts";
import { addHoldNode } from "../hold-node.ts";
import { hostPart, incomingUri, type PortRange } from "../link/port-range.ts";
import { applySettings } from "../settings.ts";
import type { TlsCredentials } from "../tls.ts";
import { tracePending } from "./pending-watch.ts";

const REASON_MAX = 500;
/** QEMU says within a millisecond where it listens, unless it is kept from answering. */
const PORT_MS = 500;

type SetUp = { address: string; ports: PortRange; tls: TlsCredentials; log: Log };

/** What QEMU refused and was not required, with its words. */
type GivenUp = NonNullable<ResultOf<"target.prepare">["givenUp"]>;

/**
 * Sets a target's QEMU up and lets it listen on `address`. QEMU takes the commands in order, and the
 * caller ends a target that refuses one.
 *
 * @returns the URI for the source, the optional capabilities that QEMU refused, and a quick look
 *   whether anybody is connected
 * @throws CommandRefusedError, QmpError
 */
export async function setUpTarget(
  guest: Guest,
  args: ArgsOf<"target.prepare">,
  { address, ports, tls, log }: SetUp,
): Promise<{ migrationUri: string; givenUp: GivenUp; isUnconnected: () => boolean }> {
  const { qmp } = guest;
  const [{ exitOnError }] = await Promise.all([guest.probe(), tls.make(args)]);
  const isAcked = args.settings.capabilities["switchover-ack"];
  const settings = Promise.all([
    applyTargetSettings(qmp, args),
    args.settings.capabilities["dirty-bitmaps"] ? addHoldNode(qmp) : undefined,
    isAcked ? tracePending(guest, log) : undefined,
  ]);
  const { pid } = guest.manifest;
  const before = openInodes(pid);
  const [givenUp] = await settings;
  // A target that does not exit reports why it failed; the cloud has it ended.
  const rest = exitOnError ? { "exit-on-error": false } : {};
  const [, reported] = await Promise.all([
    qmp.execute("migrate-incoming", { uri: incomingUri(ports, address), ...rest }),
    reportedPort(qmp),
  ]);
  // A stranger that has connected meanwhile can keep QEMU from answering: then from the kernel.
  const port = reported?.port ?? listeningPorts(pid, before)[0];
  if (port === undefined) {
    throw new CommandRefusedError("qemu", "QEMU does not report where it listens");
  }
  const isUnconnected = () =>
    reported !== undefined && hasOpenedAtMost(reported.listeners, before, openInodes(pid));
  return { migrationUri: `tcp:${hostPart(address)}:${port}`, givenUp, isUnconnected };
}

/** QEMU accepts a connection at once, and it is a socket of its own. */
function hasOpenedAtMost(
  count: number,
  before: ReadonlySet<string> | undefined,
  now: ReadonlySet<string> | undefined,
): boolean {
  if (before === undefined || now === undefined) return false;
  return [...now].filter((socket) => !before.has(socket)).length <= count;
}

/**
 * Switches on what is required, then all optional capabilities at once. If QEMU refuses that, each by
 * itself: what it refuses is left off, and so is what depends on it.
 */
async function applyTargetSettings(
  qmp: QmpClient,
  { settings, optionalCapabilities = [] }: ArgsOf<"target.prepare">,
): Promise<GivenUp> {
  const optional = inOrderOfNeed(
    optionalCapabilities.filter((name) => settings.capabilities[name] === true),
  );
  const off = Object.fromEntries(optional.map((name) => [name, false]));
  const capabilities = { ...settings.capabilities, ...off };
  await applySettings(qmp, { ...settings, capabilities });
  const givenUp: GivenUp = [];
  if (optional.length === 0 || (await refusalOf(qmp, optional)) === undefined) return givenUp;
  for (const capability of optional) {
    const lacking = neededBy(capability).find((name) =>
      givenUp.some((other) => other.capability === name),
    );
    const reason =
      lacking === undefined
        ? await refusalOf(qmp, [capability])
        : `it requires ${lacking}, which is off`;
    if (reason !== undefined) givenUp.push({ capability, reason: reason.slice(0, REASON_MAX) });
  }
  return givenUp;
}

/** QEMU's words when it refuses one of the capabilities; undefined: they are on now. */
async function refusalOf(qmp: QmpClient, names: readonly string[]): Promise<string | undefined> {
  try {
    const capabilities = names.map((capability) => ({ capability, state: true }));
    await qmp.execute("migrate-set-capabilities", { capabilities });
    return undefined;
  } catch (error) {
    if (error instanceof QmpCommandError) return error.desc;
    throw error;
  }
}

/** A capability comes after those that it requires. */
function inOrderOfNeed(names: readonly string[]): string[] {
  const depth = (name: string): number => {
    const needed = neededBy(name).filter((other) => names.includes(other));
    return needed.length === 0 ? 0 : 1 + Math.max(...needed.map(depth));
  };
  return names.toSorted((one, other) => depth(one) - depth(other));
}

/** Where QEMU says that it listens; undefined: it does not answer, or not with a port. */
async function reportedPort(qmp: QmpClient) {
  const asked = qmp.execute("query-migrate", {}, { timeoutMs: PORT_MS }).catch(() => undefined);
  const { "socket-address": addresses = [] } = (await asked) ?? {};
  const port = addresses.find((entry: SocketAddress) => entry.type === "inet")?.port;
  return port === undefined ? undefined : { port, listeners: addresses.length };
}
