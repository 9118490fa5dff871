import { existsSync } from "node:fs";
import { join } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DescribeExecutionCommand, SFNClient } from "@aws-sdk/client-sfn";
import { DynamoDBDocumentClient, GetCommand, QueryCommand } from "@aws-sdk/lib-dynamodb";
import { listeningPorts } from "../../agent/runtime/listening-ports.ts";
import type { Migration } from "../../core/migration/migration.ts";
import { isIdleStatus } from "../../core/qemu/migration-status.ts";
import type { Vm } from "../../core/vm.ts";
import { countTransitions } from "../../demo/summary.ts";
import { QmpClient } from "../../qmp/client.ts";
import { readCounter } from "../../rig/guest/serial.ts";
import { processesUnder } from "../../rig/processes.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { WATCH_SOCKET } from "../../rig/watched-qemu.ts";
import { awsClient } from "./aws-client.ts";
import { type Bed, MEMORY_BYTES } from "./bed.ts";
import { brokenSectors, falseRunState, unboundedRepeats, unrecordedStandstill } from "./claims.ts";
import { type Excuses, excusesOf } from "./excuses.ts";
import type { Strike } from "./plan.ts";
import type { Witness } from "./witness.ts";

const QUIET_MS = 30_000;
/** The record ends before the source's process: a lost discard command must time out first. */
const DISCARD_MS = 180_000;
const POLL_MS = 250;
/** Of a migration without the way back, with it, and with steps that are refused again and again. */
const TRANSITIONS_MAX = { forward: 20, back: 30, repeated: 300 };
/** States of a guest with a QEMU process; of `panicked` QEMU's settings decide. */
const STATES_WITH_PROCESS = ["running", "paused", "suspended", "io-error"];
const FINAL_STATES = [...STATES_WITH_PROCESS, "panicked", "stopped", "failed"];
const MORE_TICKS = 20;

type Evidence = {
  bed: Bed;
  witness: Witness;
  migration: Migration;
  /** The target reported that it runs; the guest may not have printed anything yet. */
  targetRan: boolean;
  /** The target had the whole guest, and may have been told to run it. */
  targetLoaded: boolean;
  /** What struck. */
  strikes: readonly Strike[];
};

type Found = { violations: string[]; transitions: number; runsOn: string | undefined };

/** Checks what must hold once a migration has ended, whatever faults it met. */
export async function check(evidence: Evidence): Promise<Found> {
  const { bed, witness, migration } = evidence;
  const violations: string[] = [];
  const claim = async (what: string, holds: () => Promise<boolean>, timeoutMs = QUIET_MS) => {
    const started = performance.now();
    let held = false;
    try {
      held = await waitUntil(what, async () => ((await holds()) ? true : undefined), {
        timeoutMs,
        everyMs: POLL_MS,
      });
    } catch (error) {
      violations.push(
        `${what}: not after ${Math.round(performance.now() - started)} ms (${error})`,
      );
    }
    return held;
  };

  const excuses = excusesOf(evidence.strikes);
  await claim("the workflow has ended", () => isOver(bed, migration), DISCARD_MS);
  const transitions = await countTransitions(migration.executionArn ?? "", bed.fleet.environment);
  const isForward = migration.phases.every(({ name }) => name !== "reconcile");
  const back = excuses.mayRepeat ? "repeated" : "back";
  if (transitions > TRANSITIONS_MAX[isForward ? "forward" : back]) {
    violations.push(`${transitions} transitions`);
  }
  const { items } = await bed.fleet.api.getTimeline(migration.id);
  violations.push(...unboundedRepeats(migration, items, excuses));
  if (migration.status === "unknown") {
    // A person decides then; both copies and the lock are left to them.
    const isExcused = excuses.mayBeUnknown;
    if (!isExcused) violations.push(`the end is unknown: ${migration.failure?.state}`);
    return { violations: [...violations, ...witness.violations], transitions, runsOn: undefined };
  }
  const vm = () => bed.api<Vm>("GET", `/v1/vms/${bed.vm}`);
  await claim("the VM's lock is free", async () => (await vm()).lockedBy === undefined);
  await claim("the VM has a state of its own", async () =>
    FINAL_STATES.includes((await vm()).state),
  );
  // An event of the guest's host may still be on its way.
  await claim("the VM's state is QEMU's", async () => {
    const record = await vm();
    return (
      !STATES_WITH_PROCESS.includes(record.state) ||
      (await falseRunState(bed, record)) === undefined
    );
  });
  const { state, host } = await vm();
  const runsOn = state === "running" ? host : undefined;
  const holder = STATES_WITH_PROCESS.includes(state) ? host : undefined;
  await claim("no slot and no memory is held", () => noSlotIsHeld(bed, holder));
  violations.push(...falseClaims(evidence, { runsOn, holder, state, excuses }));
  if (runsOn !== undefined && !excuses.mayMissStandstills) {
    violations.push(...unrecordedStandstill(migration, items, witness));
  }
  for (const place of ["host-a", "host-b"]) {
    // A panic leaves a process or none, as QEMU is set.
    if (state === "panicked" && place === host) continue;
    if (excuses.mayKeepSource && place === migration.source && place !== holder) continue;
    const running = place === holder ? 1 : 0;
    const folder = bed.fleet.guestFolder(place, bed.vm);
    await claim(`${running} process of it on ${place}`, async () => {
      return processesUnder(folder).length === running && existsSync(folder) === running > 0;
    });
  }
  if (runsOn !== undefined) {
    const log = bed.fleet.serialLog(runsOn, bed.vm);
    const before = (await readCounter(log))?.counter ?? 0;
    const goal = (witness.mayRestart ? before : witness.counter) + MORE_TICKS;
    await claim("the guest counts on", async () => ((await readCounter(log))?.counter ?? 0) > goal);
    await claim("nothing of a migration is left in QEMU", () => isClean(bed, runsOn));
    if (!bed.isModel) violations.push(...(await brokenSectors(bed, runsOn)));
  }
  for (const place of strayImages(bed, holder, excuses)) {
    await claim(`no image of it on ${place}`, async () => !existsSync(bed.guest.dataPath(place)));
  }
  for (const place of ["host-a", "host-b"]) {
    await claim(`no port is open on ${place}`, async () => {
      const qemuPorts = listeningPorts(bed.fleet.guestPid(place, bed.vm));
      const agentPorts = listeningPorts(bed.fleet.agent(place).pid);
      return qemuPorts.length === 0 && agentPorts.every((port) => bed.mayBeLink(port));
    });
  }
  witness.close();
  return { violations: [...violations, ...witness.violations], transitions, runsOn };
}

/** Hosts that a copied disk has moved from; what a crash left there is removed. */
function strayImages(bed: Bed, holder: string | undefined, excuses: Excuses): string[] {
  if (!bed.isCopied || holder === undefined) return [];
  const places = ["host-a", "host-b"].filter((place) => place !== holder);
  if (!excuses.mayKeepImage) return places;
  for (const place of places) bed.removeImage(place);
  return [];
}

type Place = {
  runsOn: string | undefined;
  /** The host whose QEMU has the guest, in whatever state. */
  holder: string | undefined;
  state: string;
  excuses: Excuses;
};

/** Compares the records with the faults and with what the guest printed. */
function falseClaims(
  { migration, witness, targetRan, targetLoaded }: Evidence,
  { runsOn, holder, state, excuses }: Place,
) {
  const { status, source, target } = migration;
  const { endedQemus, mayBeOver } = excuses;
  const found: string[] = [];
  const isLost = holder === undefined && state === "failed";
  if (isLost && endedQemus.length === 0) found.push("the guest is lost, and no QEMU was killed");
  if (isLost && endedQemus.every((victim) => victim === "target-qemu")) {
    // Once the run grant is written, no one can exclude that the guest ran.
    const mayHaveRun = witness.targetRan || targetRan || status === "completed";
    const isGivenUp = excuses.mayBeGivenUp && targetLoaded;
    if (!mayHaveRun && !isGivenUp) found.push("the guest is lost, and it never ran on the target");
  }
  if (["stopped", "panicked"].includes(state) && !mayBeOver) {
    found.push(`the VM is ${state}, and the guest did nothing`);
  }
  if (status === "completed" && holder === source) {
    found.push(`completed, but the guest is on ${source}`);
  }
  if (["failed", "cancelled"].includes(status) && holder === target) {
    found.push(`${status}, but the guest is on ${target}`);
  }
  if (runsOn === source && witness.targetRan)
    found.push("the source's copy runs after the target's");
  const recorded = migration.runningOn;
  if (recorded !== undefined && runsOn !== undefined && recorded !== runsOn) {
    found.push(`the migration's record has ${recorded}, the VM's has ${runsOn}`);
  }
  return found;
}

/** Asks the guest's QEMU over the monitor that World adds to it. */
async function isClean(bed: Bed, host: string): Promise<boolean> {
  const path = join(bed.fleet.guestFolder(host, bed.vm), WATCH_SOCKET);
  const qmp = await QmpClient.connect({ path });
  try {
    const { "dirty-bitmaps": bitmaps } = Object.fromEntries(
      (await qmp.execute("query-migrate-capabilities")).map((entry) => [
        entry.capability,
        entry.state,
      ]),
    );
    const nodes = JSON.stringify(await qmp.execute("query-named-block-nodes"));
    const { status = "none" } = await qmp.execute("query-migrate");
    return (
      isIdleStatus(status) && bitmaps !== true && !/"switchyard-|dirty-bitmaps":\[\{/.test(nodes)
    );
  } finally {
    await qmp.close();
  }
}

async function isOver(bed: Bed, { executionArn }: Migration): Promise<boolean> {
  const { environment } = bed.fleet;
  const sfn = new SFNClient(awsClient(environment, "AWS_ENDPOINT_URL_SFN"));
  try {
    const { status } = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    return status !== "RUNNING";
  } finally {
    sfn.destroy();
  }
}

async function noSlotIsHeld(bed: Bed, holder: string | undefined): Promise<boolean> {
  const raw = new DynamoDBClient(awsClient(bed.fleet.environment, "AWS_ENDPOINT_URL_DYNAMODB"));
  const table = DynamoDBDocumentClient.from(raw);
  try {
    for (const host of ["host-a", "host-b"]) {
      const pk = `HOST#${host}`;
      const Key = { pk, sk: "META" };
      const { Item = {} } = await table.send(new GetCommand({ TableName: "switchyard", Key }));
      const sets = [Item.incoming, Item.outgoing, Item.preparingIn, Item.preparingOut];
      if (sets.some((set) => sizeOf(set) > 0)) return false;
      if (holder !== undefined && Item.reservedBytes !== (host === holder ? MEMORY_BYTES : 0)) {
        return false;
      }
      const { Count } = await table.send(
        new QueryCommand({
          TableName: "switchyard",
          KeyConditionExpression: "pk = :pk AND begins_with(sk, :waiting)",
          ExpressionAttributeValues: { ":pk": pk, ":waiting": "QUEUED#" },
        }),
      );
      if (Count !== 0) return false;
    }
    return true;
  } finally {
    raw.destroy();
  }
}

function sizeOf(set: unknown): number {
  return set instanceof Set ? set.size : 0;
}
