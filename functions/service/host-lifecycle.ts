import { DeleteQueueCommand, QueueDoesNotExist } from "@aws-sdk/client-sqs";
import type { ByWhom, HostCordon } from "../../core/host/cordon.ts";
import type { HostLifecycle } from "../../core/host/host-state.ts";
import type { HostId, MigrationId, VmId } from "../../core/id.ts";
import { Problem } from "../http/problem.ts";
import { queues } from "../runtime/clients.ts";
import { removeKey } from "../store/host-identity.ts";
import { hostIsEmpty } from "../store/host-settings.ts";
import type { StoredHost } from "../store/hosts.ts";
import { listHolding } from "../store/slots.ts";
import { findVms, hasEnded, listVmsOn } from "../store/vms.ts";
import { admitWaiting } from "./admit-waiting.ts";
import { changeHost } from "./cordon-host.ts";
import { requireAllowed } from "./host-rules.ts";
import { orUnavailable } from "./or-unavailable.ts";
import { byInvocation } from "./wake-by-invocation.ts";

const NAMES_MAX = 10;

/**
 * Brings an empty host into maintenance: no guest comes to it until it is returned, whatever its agent
 * does. That it is empty is a condition of the write.
 *
 * @throws Problem host-not-found, host-changed, host-not-empty, and those of `requireAllowed`
 */
export async function maintainHost(id: HostId, by: ByWhom): Promise<StoredHost> {
  return close(id, "maintenance", by);
}

/**
 * Ends maintenance, and the cordons of evacuations that do not drain the host any more. People's
 * cordons stay: they end them themselves.
 *
 * @throws Problem host-not-found, host-changed, and those of `requireAllowed`
 */
export async function returnHost(id: HostId): Promise<StoredHost> {
  const host = await changeHost(id, (now) => {
    requireAllowed("return", now);
    const cordons = now.cordons.filter(isKept);
    if (now.state === "active" && cordons.length === now.cordons.length) return undefined;
    return { state: "active", stateBy: undefined, cordons };
  });
  await admitWaiting({ hosts: [id], makesRoom: true }, byInvocation);
  return host;
}

function isKept({ kind, drains }: HostCordon): boolean {
  return kind === "person" || drains === true;
}

/**
 * Takes a host out of the fleet for good: closes it, removes its queue, and refuses its agent. Asked
 * again after a failure, it goes on where it was.
 *
 * @throws Problem host-not-found, host-changed, host-not-empty, host-unreachable, and those of
 *   `requireAllowed`
 */
export async function retireHost(id: HostId, by: ByWhom): Promise<StoredHost> {
  const host = await close(id, "retiring", by);
  if (host.state === "retired") return host;
  await requireNoVm(id);
  // Its agent is refused before its queue goes.
  await removeKey(id);
  await orUnavailable("host-unreachable", () => removeQueue(host.queueUrl));
  return changeHost(id, (now) => (now.state === "retired" ? undefined : { state: "retired" }));
}

/** Closes an empty host; one that is closed in this way already stays as it is. */
async function close(
  id: HostId,
  state: Extract<HostLifecycle, "maintenance" | "retiring">,
  by: ByWhom,
): Promise<StoredHost> {
  const isRetiring = state === "retiring";
  if (isRetiring) await requireNoVm(id);
  const isDone = (now: StoredHost) =>
    now.state === state || (isRetiring && now.state === "retired");
  const host = await changeHost(
    id,
    (now) => {
      requireAllowed(isRetiring ? "retire" : "maintain", now);
      return isDone(now) ? undefined : { state, stateBy: by };
    },
    { ...hostIsEmpty, refuse: () => notEmpty(id) },
  );
  await admitWaiting({ hosts: [id], makesRoom: true }, byInvocation);
  return host;
}

/** A record of a guest that has ended counts, too: it names the host on which its disks may be. */
async function requireNoVm(id: HostId): Promise<void> {
  const vms = await listVmsOn(id);
  if (vms.length > 0) throw await notEmpty(id);
}

async function notEmpty(id: HostId): Promise<Problem> {
  const [vms, migrations] = await Promise.all([listVmsOn(id), listHolding(id)]);
  const shown = await findVms(vms.slice(0, NAMES_MAX));
  const names = shown.map((vm) => `${vm.id} (${hasEnded(vm) ? "ended" : vm.state})`);
  const parts = [
    list("VMs", names, vms.length),
    list("migrations", migrations.slice(0, NAMES_MAX), migrations.length),
  ].filter((part) => part !== undefined);
  const what = parts.length === 0 ? "memory that is held for a guest" : parts.join("; ");
  const detail =
    `${id} has ${what}. Move its guests to other hosts, or stop them; the records of those that ` +
    "have ended are removed by DELETE /v1/vms/{id}";
  return new Problem("host-not-empty", detail, { vms, migrations });
}

function list(what: string, names: readonly (string | VmId | MigrationId)[], count: number) {
  if (count === 0) return undefined;
  const more = count > names.length ? ` and ${count - names.length} more` : "";
  return `${count} ${what}: ${names.join(", ")}${more}`;
}

async function removeQueue(url: string): Promise<void> {
  try {
    await queues().send(new DeleteQueueCommand({ QueueUrl: url }));
  } catch (error) {
    if (!(error instanceof QueueDoesNotExist)) throw error;
  }
}
