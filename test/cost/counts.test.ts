import { DynamoDBClient, paginateScan } from "@aws-sdk/client-dynamodb";
import { paginateGetExecutionHistory } from "@aws-sdk/client-sfn";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CountedName, countedMetrics, type Metric } from "../../core/metrics.ts";
import { Phase } from "../../core/migration/migration.ts";
import { additionsOf } from "../../core/open-metrics.ts";
import { VmDefinition } from "../../core/vm.ts";
import { type Counts, counted } from "../../cost/counts.ts";
import { itemBytes, type StoredItem, sum } from "../../emulators/aws/dynamodb/item-bytes.ts";
import { listCapabilities } from "../../emulators/qemu/catalog/capabilities.ts";
import { defaultParameters } from "../../emulators/qemu/catalog/parameters.ts";
import { parseVersion } from "../../emulators/qemu/catalog/version.ts";
import { stepFunctions } from "../../functions/runtime/clients.ts";
import { attributeOf } from "../../functions/store/counter-names.ts";
import { allCounters, counterPartOf } from "../../functions/store/counters.ts";
import { putItems } from "../../functions/store/table.ts";
import { definition, sourceProbe } from "../functions/testing/fixtures.ts";
import { WorkflowHarness } from "../workflow/testing/harness.ts";
import { Usage } from "./usage.ts";

/** Progress events of the longer of two migrations: their difference is the price of one. */
const EVENTS = 10;
/**
 * By how much two runs differ of themselves: the counters' item of one, which is drawn, may have grown
 * beyond a unit that the other's has not, and the times in the record have more or fewer digits.
 */
const DRAWN: Partial<Record<keyof Counts, number>> = {
  writeUnits: 2,
  yearBytes: 20,
  monthBytes: 20,
};
const DAY_SECONDS = 24 * 3600;
/** As large as they become: every number of a real one has this many digits. */
const progress = {
  status: "active",
  totalTimeMs: 123_456,
  ramTotalBytes: 8_598_323_200,
  ramTransferredBytes: 4_294_967_296,
  ramRemainingBytes: 1_073_741_824,
  dirtyBytesPerSecond: 104_857_600,
  dirtySyncCount: 12,
  bandwidthBytesPerSecond: 1_250_000_000,
  expectedDowntimeMs: 300,
};

/** What a QEMU of today reports, and an ordinary server: records are as large as real ones. */
const version = parseVersion("10.0.2");
const qemu = {
  ...sourceProbe.qemu,
  capabilities: listCapabilities(version),
  parameters: JSON.parse(JSON.stringify(defaultParameters(version))),
};
const server = VmDefinition.parse({
  ...definition,
  blockdevs: [
    { driver: "file", "node-name": "root-file", filename: "/srv/guests/web1/root.raw" },
    { driver: "raw", "node-name": "root", file: "root-file" },
  ],
  devices: [
    { driver: "virtio-blk-pci", id: "disk0", drive: "root", bootindex: 0 },
    { driver: "virtio-rng-pci", id: "rng0" },
  ],
});

const usage = new Usage();
let harness: WorkflowHarness;
let short: Counts;
let long: Counts;
let heartbeat: Pick<Counts, "readUnits" | "writeUnits">;

beforeAll(async () => {
  harness = await WorkflowHarness.start(usage.observe);
  harness.definition = server;
  harness.hosts.qemu = qemu;
  await fillCounters();
  short = await countMigration(0);
  long = await countMigration(EVENTS);
  heartbeat = await countHeartbeat();
}, 120_000);
afterAll(() => harness?.close());

/** The items of the counters have every series, as after a year. */
async function fillCounters(): Promise<void> {
  const series = Object.entries(countedMetrics).flatMap(([metric, definition]: [string, Metric]) =>
    labelsOf(definition).flatMap((labels) =>
      [...(definition.buckets ?? [1]), 1e9].flatMap((value) => [
        ...additionsOf({ metric: metric as CountedName, labels, value }).keys(),
      ]),
    ),
  );
  const items = allCounters().map((key) => {
    const some = series.filter((name) => counterPartOf(name) === key.sk);
    return { ...key, ...Object.fromEntries(some.map((name) => [attributeOf(name), 123_456])) };
  });
  await putItems(items);
}

/** All values of the labels that migrations have; the three of others are as many as those have. */
const labelValues: Readonly<Record<string, readonly string[]>> = {
  outcome: ["completed", "failed", "cancelled", "unknown"],
  phase: Phase.options,
  code: Array.from({ length: 12 }, (_, place) => `command-failed-${place}`),
  decision: ["complete", "end", "wait", "freeze", "lost", "cancel-source", "discard-target"],
};

function labelsOf({ labels }: Metric): Record<string, string>[] {
  return labels.reduce<Record<string, string>[]>(
    (all, label) =>
      all.flatMap((one) =>
        (labelValues[label] ?? ["first", "second", "third"]).map((value) => ({
          ...one,
          [label]: value,
        })),
      ),
    [{}],
  );
}

/** One migration whose source emits so much progress before the ACK. */
async function countMigration(events: number): Promise<Counts> {
  usage.reset();
  const posts = harness.hosts.posts;
  const { id } = await harness.begin("awaits-ack");
  let isAcked = false;
  const ended = await harness.end(id, {
    onIdle: async () => {
      if (isAcked || !harness.calls.includes("AwaitAck")) return false;
      isAcked = true;
      for (let event = 0; event < events; event += 1) {
        await harness.hosts.emit(harness.hosts.source, { type: "migration.progress", progress });
      }
      await harness.hosts.ack();
      return true;
    },
  });
  expect(ended.status).toBe("completed");
  const { requests, readUnits, writeUnits } = usage;
  return {
    transitions: await transitionsOf(ended.executionArn ?? ""),
    taskInvocations: harness.calls.length + (requests.get("LAMBDA Invoke") ?? 0),
    // The operator's request, and what the agents post.
    httpRequests: 1 + harness.hosts.posts - posts,
    readUnits,
    writeUnits,
    commands: usage.requestsOf("SQS SendMessage"),
    ...(await keptBytes(id)),
  };
}

async function countHeartbeat() {
  const { source } = harness.hosts;
  usage.reset();
  const { status } = await source.send("heartbeat", { host: source.host, instance: "one" });
  expect(status).toBe(200);
  return { readUnits: usage.readUnits, writeUnits: usage.writeUnits };
}

/** States entered, and retries: each is a transition. */
async function transitionsOf(executionArn: string): Promise<number> {
  const client = stepFunctions();
  let transitions = 0;
  for await (const { events = [] } of paginateGetExecutionHistory({ client }, { executionArn })) {
    const counting = events.filter(({ type = "" }) => /StateEntered$|^TaskFailed$/.test(type));
    transitions += counting.length;
  }
  return transitions;
}

/** Bytes of its items, by how long the table keeps them. */
async function keptBytes(id: string): Promise<Pick<Counts, "yearBytes" | "monthBytes">> {
  const items: StoredItem[] = [];
  const scan = { TableName: process.env.TABLE_NAME };
  const client = new DynamoDBClient({});
  for await (const { Items = [] } of paginateScan({ client }, scan)) {
    items.push(...(Items as StoredItem[]).filter((item) => JSON.stringify(item).includes(id)));
  }
  client.destroy();
  const monthEnd = Date.now() / 1000 + 40 * DAY_SECONDS;
  const isShort = ({ ttl }: StoredItem) => ttl?.N !== undefined && Number(ttl.N) < monthEnd;
  return {
    yearBytes: sum(items.filter((item) => !isShort(item)).map(itemBytes)),
    monthBytes: sum(items.filter(isShort).map(itemBytes)),
  };
}

describe("what is counted in a real run is not more than what the cost is computed from:", () => {
  const names = Object.keys(counted.migration) as (keyof Counts)[];

  it.each(names)("%s of a migration", (name) => {
    expect(short[name]).toBeLessThanOrEqual(counted.migration[name]);
    expect(short[name]).toBeGreaterThanOrEqual(counted.migration[name] * 0.9);
  });

  it.each(["readUnits", "writeUnits"] as const)("%s of a heartbeat", (name) => {
    expect(heartbeat[name]).toBe(counted.heartbeat[name]);
  });

  it.each(names)("%s of a progress event", (name) => {
    const drawn = DRAWN[name] ?? 0;
    const difference = long[name] - short[name];
    expect((difference - drawn) / EVENTS).toBeLessThanOrEqual(counted.progressEvent[name]);
    expect((difference + drawn) / EVENTS).toBeGreaterThanOrEqual(
      Math.floor(counted.progressEvent[name] * 0.9),
    );
  });
});
