import { paginateGetExecutionHistory, SFNClient } from "@aws-sdk/client-sfn";
import type { Evacuation } from "../../core/evacuation/evacuation.ts";
import { isFinalEvacuation } from "../../core/evacuation/life.ts";
import { poolOf } from "../../core/plan/slots.ts";
import { VmDefinition } from "../../core/vm.ts";
import { Fleet } from "../../rig/fleet.ts";
import { ModelHosts } from "../../rig/model-hosts.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { cpuMs, peakMiB } from "../process-usage.ts";
import { Replay } from "./check.ts";

const MIB = 2 ** 20;
const MEMORY_BYTES = 256 * MIB;
/** Of each host, in each direction. */
const SLOTS = 2;
const STREAM_BYTES_PER_SECOND = 1.25e9;
/** A tenth of what a real QEMU takes for a large guest: time is scaled, work is not. */
const WARM_UP_TIMES = { prepareMs: 0, transferMs: 10 };
const TIMES = { prepareMs: 500, transferMs: 5_000 };
/** Guests of other hosts that are moved meanwhile, one by one: they take the same slots. */
const SINGLES_SHARE = 0.05;
/** Of one guest, before anything is measured: code is compiled and caches are filled by then. */
const WARM_UP = 20;
const START_MS = 120_000;
/** Requests of the setup at once. */
const AT_ONCE = 8;
/** Each look costs the coordinator a request. */
const LOOK_MS = 2_000;
const RUN_MS = 3_600_000;
/** Executions whose transitions are counted. */
const SAMPLE = 50;

export type Result = {
  readonly vms: number;
  readonly hosts: number;
  readonly completed: number;
  readonly singles: number;
  readonly status: string;
  readonly overshoots: number;
  readonly misplaced: number;
  readonly faults: readonly string[];
  readonly streamsMax: number;
  readonly preparedMax: number;
  readonly cpuMsPerMove: number;
  readonly rssMiB: number;
  readonly transitionsPerMove: number;
  readonly seconds: number;
};

type Names = {
  readonly leaving: string[];
  readonly receiving: string[];
  readonly singles: string[];
};

/**
 * Empties half of the hosts of a modelled fleet, which is otherwise whole: the coordinator in a process
 * of its own, every request over HTTP and signed. The hosts and their guests are in this process.
 */
export async function runEvacuation(vms: number, hosts: number): Promise<Result> {
  const fleet = await Fleet.start({
    hosts: {},
    startMs: START_MS,
    environment: { LOG_LEVEL: "error" },
  });
  const model = new ModelHosts(WARM_UP_TIMES);
  try {
    const names = await setUp(fleet, model, { vms, hosts });
    return await measure(fleet, model, names);
  } finally {
    await model.stop();
    await fleet.stop();
  }
}

async function setUp(
  fleet: Fleet,
  model: ModelHosts,
  { vms, hosts }: { vms: number; hosts: number },
): Promise<Names> {
  const half = Math.floor(hosts / 2);
  const leaving = Array.from({ length: half }, (_, place) => `from-${place + 1}`);
  const receiving = Array.from({ length: hosts - half }, (_, place) => `to-${place + 1}`);
  const memoryBytes = roomOf(vms, receiving.length) * MEMORY_BYTES;
  const limits = {
    slotsOut: SLOTS,
    slotsIn: SLOTS,
    memoryBytes,
    linkBytesPerSecond: SLOTS * STREAM_BYTES_PER_SECOND,
  };
  for (const host of [...leaving, ...receiving]) await model.add(fleet, host, limits);
  const names = Array.from({ length: vms }, (_, place) => `vm-${place + 1}`);
  const singles = Array.from({ length: singlesOf(vms) }, (_, place) => `single-${place + 1}`);
  const definition = VmDefinition.parse({ machine: "pc", memoryBytes: MEMORY_BYTES });
  const places = [
    ...names.map((vm, place) => [vm, leaving[place % half] ?? ""] as const),
    ...singles.map((vm, place) => [vm, receiving[place % receiving.length] ?? ""] as const),
  ];
  await each(places, async ([vm, host]) => {
    await fleet.startVm(vm, host, definition);
  });
  return { leaving, receiving, singles };
}

function singlesOf(vms: number): number {
  return Math.ceil(vms * SINGLES_SHARE);
}

/** Guests that a host has memory for: a third more than there are. */
function roomOf(vms: number, receiving: number): number {
  return Math.ceil(((vms + singlesOf(vms)) / receiving) * 1.34) + SLOTS;
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  const worker = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function measure(fleet: Fleet, model: ModelHosts, names: Names): Promise<Result> {
  const { leaving, receiving, singles } = names;
  const warmUp = Array.from({ length: WARM_UP }, () => singles[0] ?? "");
  await moveSingles(fleet, warmUp, receiving);
  model.times = TIMES;
  const { pid } = fleet.cloud;
  const startedMs = performance.now();
  const before = cpuMs(pid);
  const { id } = await fleet.api.createEvacuation({
    hosts: leaving,
    by: "bench",
    options: { streamBytesPerSecond: STREAM_BYTES_PER_SECOND },
  });
  await fleet.api.approveEvacuation(id, 1, "bench");
  const besides = moveSingles(fleet, singles, receiving);
  const ended = await end(fleet, id);
  const movedSingles = await besides;
  const usedMs = cpuMs(pid) - before;
  const seconds = (performance.now() - startedMs) / 1_000;
  const { moved, total } = ended.counters;
  const replay = new Replay(model.log, {
    slotsOut: SLOTS,
    slotsIn: SLOTS,
    placesIn: poolOf(SLOTS, undefined),
    room: roomOf(total, receiving.length),
  });
  const misplaced = [...replay.misplaced, ...(await wrongRecords(fleet, replay.places))];
  const all = moved + movedSingles;
  return {
    vms: total,
    hosts: leaving.length + receiving.length,
    completed: moved,
    singles: movedSingles,
    status: ended.status,
    overshoots: replay.overshoots.length,
    misplaced: misplaced.length,
    faults: [...replay.overshoots, ...misplaced].slice(0, 20),
    streamsMax: replay.streamsMax,
    preparedMax: replay.preparedMax,
    cpuMsPerMove: round(usedMs / all),
    rssMiB: peakMiB(pid),
    transitionsPerMove: round(await transitionsPerMove(fleet, ended)),
    seconds: round(seconds),
  };
}

/** Moves the others to the next host, one after the other. @returns how many have arrived */
async function moveSingles(fleet: Fleet, vms: string[], hosts: string[]): Promise<number> {
  let arrived = 0;
  for (const vm of vms) {
    const { host } = await fleet.api.getVm(vm);
    const target = hosts[(hosts.indexOf(host) + 1) % hosts.length] ?? "";
    const { id } = await fleet.api.createMigration({ vm, target });
    const { status } = await fleet.waitForMigration(id, { timeoutMs: RUN_MS, everyMs: 500 });
    if (status === "completed") arrived += 1;
  }
  return arrived;
}

async function end(fleet: Fleet, id: string): Promise<Evacuation> {
  return waitUntil(
    `the end of ${id}`,
    async () => {
      const evacuation = await fleet.api.getEvacuation(id);
      return isFinalEvacuation(evacuation.status) ? evacuation : undefined;
    },
    { timeoutMs: RUN_MS, everyMs: LOOK_MS },
  );
}

/** The records say where each guest runs in truth. */
async function wrongRecords(
  { api }: Fleet,
  places: ReadonlyMap<string, string>,
): Promise<string[]> {
  const found: string[] = [];
  const unseen = new Set(places.keys());
  let after: string | undefined;
  do {
    const page = await api.listVms({ limit: 100, ...(after === undefined ? {} : { after }) });
    for (const { id, host, state } of page.items) {
      unseen.delete(id);
      const at = places.get(id);
      if (host !== at || state !== "running") {
        found.push(`${id} runs on ${at}, its record says ${state} on ${host}`);
      }
    }
    after = page.next;
  } while (after !== undefined);
  return [...found, ...[...unseen].map((vm) => `${vm} has no record`)];
}

/** Of a migration, by a sample, and its share of the evacuation's own executions. */
async function transitionsPerMove(fleet: Fleet, evacuation: Evacuation): Promise<number> {
  const { AWS_ENDPOINT_URL_SFN: endpoint = "", AWS_REGION: region = "" } = fleet.environment;
  const { AWS_ACCESS_KEY_ID = "", AWS_SECRET_ACCESS_KEY = "" } = fleet.environment;
  const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY };
  const client = new SFNClient({ endpoint, region, credentials });
  try {
    const { items } = await fleet.api.listMigrations({ limit: SAMPLE });
    let ofMigrations = 0;
    for (const { executionArn } of items) ofMigrations += await transitions(client, executionArn);
    let ofEvacuation = 0;
    const { executionArn = "" } = evacuation;
    const [, first = "", last = "0"] = /^(.*-)(\d+)$/.exec(executionArn) ?? [];
    for (let part = 1; part <= Number(last); part += 1) {
      ofEvacuation += await transitions(client, `${first}${part}`);
    }
    const { moved } = evacuation.counters;
    return ofMigrations / items.length + ofEvacuation / Math.max(1, moved);
  } finally {
    client.destroy();
  }
}

/** States entered, and retries: each is a transition. */
async function transitions(client: SFNClient, executionArn = ""): Promise<number> {
  let count = 0;
  for await (const { events = [] } of paginateGetExecutionHistory({ client }, { executionArn })) {
    count += events.filter(({ type = "" }) => /StateEntered$|^TaskFailed$/.test(type)).length;
  }
  return count;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
