import type { ArgsOf, ResultOf } from "../../../core/protocol/command.ts";
import { neededBy } from "../../../core/qemu/capability-rules.ts";
import type { QmpClient } from "../../../qmp/client.ts";
import { QmpCommandError } from "../../../qmp/error.ts";
import type { SocketAddress } from "../../../qmp/migration.ts";
import { CommandRefusedError } from "../../command/command-error.ts";
import type { Guest } from "../../guest/guest.ts";
import { listeningPorts } from "../../runtime/listening-ports.ts";
import type { Log } from "../../runtime/log.ts";
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
 * @returns the URI for the source, and the optional capabilities that QEMU refused
 * @throws CommandRefusedError, QmpError
 */
export async function setUpTarget(
  guest: Guest,
  args: ArgsOf<"target.prepare">,
  { address, ports, tls, log }: SetUp,
): Promise<{ migrationUri: string; givenUp: GivenUp }> {
  const { qmp } = guest;
  const [{ exitOnError }] = await Promise.all([guest.probe(), tls.make(args)]);
  const isAcked = args.settings.capabilities["switchover-ack"];
  const settings = Promise.all([
    applyTargetSettings(qmp, args),
    args.settings.capabilities["dirty-bitmaps"] ? addHoldNode(qmp) : undefined,
    isAcked ? tracePending(guest, log) : undefined,
  ]);
  // While QEMU works: reading the kernel's tables takes milliseconds.
  const { pid } = guest.manifest;
  const before = listeningPorts(pid);
  const [givenUp] = await settings;
  // A target that does not exit reports why it failed; the cloud has it ended.
  const rest = exitOnError ? { "exit-on-error": false } : {};
  const [, reported] = await Promise.all([
    qmp.execute("migrate-incoming", { uri: incomingUri(ports, address), ...rest }),
    reportedPort(qmp),
  ]);
  // A stranger that has connected meanwhile can keep QEMU from answering: then from the kernel.
  const port = reported ?? listeningPorts(pid).find((each) => !before.includes(each));
  if (port === undefined) {
    throw new CommandRefusedError("qemu", "QEMU does not report where it listens");
  }
  return { migrationUri: `tcp:${hostPart(address)}:${port}`, givenUp };
}

/**
 * Switches on what is required, then each optional capability by itself. What QEMU refuses is left
 * off, and so is what depends on it.
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
  for (const capability of optional) {
    const lacking = neededBy(capability).find((name) =>
      givenUp.some((other) => other.capability === name),
    );
    const reason =
      lacking === undefined
        ? await refusalOf(qmp, capability)
        : `it requires ${lacking}, which is off`;
    if (reason !== undefined) givenUp.push({ capability, reason: reason.slice(0, REASON_MAX) });
  }
  return givenUp;
}

/** QEMU's words when it refuses the capability; undefined: it is on now. */
async function refusalOf(qmp: QmpClient, capability: string): Promise<string | undefined> {
  try {
    await qmp.execute("migrate-set-capabilities", {
      capabilities: [{ capability, state: true }],
    });
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
async function reportedPort(qmp: QmpClient): Promise<string | undefined> {
  const asked = qmp.execute("query-migrate", {}, { timeoutMs: PORT_MS }).catch(() => undefined);
  const { "socket-address": addresses = [] } = (await asked) ?? {};
  return addresses.find((entry: SocketAddress) => entry.type === "inet")?.port;
}
