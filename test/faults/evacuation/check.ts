import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { DynamoDBDocumentClient, QueryCommand } from "@aws-sdk/lib-dynamodb";
import * as z from "zod";
import { Migration } from "../../../core/migration/migration.ts";
import type { Plan } from "../../../core/plan/plan-result.ts";
import { processesUnder } from "../../../rig/processes.ts";
import { waitUntil } from "../../../rig/wait-until.ts";
import { faultsIn, logOf } from "../../evacuation/testing/check-log.ts";
import { poorRefusals } from "../../evacuation/testing/check-refusals.ts";
import { startsWhileClosed } from "../../evacuation/testing/check-starts.ts";
import { leftoversIn } from "../../workflow/testing/leftovers.ts";
import { awsClient } from "../aws-client.ts";
import { HOSTS } from "./acts.ts";
import { type EvacuationBed, GUESTS, MEMORY_BYTES, SLOTS } from "./bed.ts";
import type { EvacuationTrace } from "./run.ts";

/** Migrations that a host prepares ahead, unless an operator says otherwise. */
const POOL = 3 * SLOTS + 2;
/** A lost discard of a finished source must time out first. */
const QUIET_MS = 240_000;
const POLL_MS = 500;

const Row = z.looseObject({ pk: z.string(), sk: z.string() });
type Row = z.infer<typeof Row>;

/** What must hold when an evacuation has ended, whatever it met. Returns what does not. */
export async function checkEvacuation(
  bed: EvacuationBed,
  trace: EvacuationTrace,
): Promise<string[]> {
  const found = [...trace.found];
  try {
    await waitUntil(
      "guests and hosts at rest",
      async () => ((await unrest(bed, trace.id)).length === 0 ? true : undefined),
      { timeoutMs: QUIET_MS, everyMs: POLL_MS },
    );
  } catch {
    found.push(...(await unrest(bed, trace.id)));
  }
  const migrations = await migrationsSince(bed, trace.startedAt);
  const records = await Promise.all(migrations.map(({ id }) => rowsOf(bed, `MIG#${id}`)));
  const rows = records.flat().filter(({ sk }) => sk === "META");
  const fleet = { places: trace.places, slots: SLOTS, pool: POOL, room: GUESTS.length };
  found.push(...faultsIn(logOf(rows, new Set(GUESTS)), fleet));
  found.push(...tooLate(trace, rows), ...falseEnd(trace));
  found.push(...(await falseCordons(bed, trace)));
  found.push(...(await poorlyRefused(bed, trace, migrations)));
  return found;
}

/** Guests that do not run in exactly one place, and what is still held. */
async function unrest(bed: EvacuationBed, id: string): Promise<string[]> {
  const found: string[] = [];
  const places = new Map<string, string>();
  for (const guest of GUESTS) {
    const { state, host } = await bed.ask((api) => api.getVm(guest));
    if (state !== "running") found.push(`${guest} is ${state}`);
    places.set(guest, host);
    for (const place of HOSTS) {
      const running = processesUnder(bed.fleet.guestFolder(place, guest)).length;
      const expected = place === host ? 1 : 0;
      if (running !== expected) found.push(`${running} processes of ${guest} on ${place}`);
    }
  }
  const keys = [
    ...HOSTS.map((host) => `HOST#${host}`),
    ...GUESTS.map((guest) => `VM#${guest}`),
    `EVAC#${id}`,
  ];
  const rows = (await Promise.all(keys.map((pk) => rowsOf(bed, pk)))).flat();
  const rest = { places, hosts: HOSTS, memoryBytes: MEMORY_BYTES, evacuation: id };
  return [...found, ...leftoversIn(rows, rest)];
}

async function rowsOf(bed: EvacuationBed, pk: string): Promise<Row[]> {
  const raw = new DynamoDBClient(awsClient(bed.fleet.environment, "AWS_ENDPOINT_URL_DYNAMODB"));
  const table = DynamoDBDocumentClient.from(raw);
  try {
    const { Items = [] } = await table.send(
      new QueryCommand({
        TableName: "switchyard",
        KeyConditionExpression: "pk = :pk",
        ExpressionAttributeValues: { ":pk": pk },
        ConsistentRead: true,
      }),
    );
    return Items.map((item) => Row.parse(item));
  } finally {
    raw.destroy();
  }
}

async function migrationsSince(bed: EvacuationBed, atMs: number): Promise<Migration[]> {
  const { items } = await bed.ask((api) => api.listMigrations({ limit: 100 }));
  return items.filter(({ createdAt }) => Date.parse(createdAt) >= atMs);
}

const { id, vm, target, createdAt, evacuation, predecessor } = Migration.shape;
const slotsSince = z.iso.datetime().optional();
const Starts = z.array(
  z.object({ id, vm, target, createdAt, slotsSince, evacuation, predecessor }),
);

/** Moves that began while nothing was to begin: a successor goes on for one that had begun. */
function tooLate({ id, closures }: EvacuationTrace, rows: readonly Row[]): string[] {
  const starts = Starts.parse(rows).filter(
    ({ evacuation, predecessor }) => evacuation === id && predecessor === undefined,
  );
  return startsWhileClosed(starts, closures);
}

/** What was refused, or failed, without saying enough. */
async function poorlyRefused(
  bed: EvacuationBed,
  { id, ended }: EvacuationTrace,
  migrations: Migration[],
): Promise<string[]> {
  const { items: moves } = await bed.ask((api) => api.listEvacuationMoves(id));
  const versions = Array.from({ length: ended.version }, (_, index) => index + 1);
  const made = await Promise.all(
    versions.map((version) => bed.ask((api) => api.getEvacuationPlan(id, version))),
  );
  // The API describes a part of a plan only.
  const plans = made.map(({ plan }) => plan as unknown as Plan);
  return poorRefusals({ moves, migrations, plans });
}

function falseEnd({ ended, accepted }: EvacuationTrace): string[] {
  const { status, hosts, counters } = ended;
  const has = (kind: string) => accepted.some((one) => one.kind === kind);
  const allowed = allowedEnds(has);
  const found: string[] = [];
  if (!allowed.includes(status)) found.push(`it is ${status}, not one of ${allowed.join(", ")}`);
  const isEmptied = hosts.every(({ state }) => state === "emptied");
  if (status === "completed" && !isEmptied && !has("uncordon")) {
    found.push("it is completed, and its host is not emptied");
  }
  const open = counters.waiting + counters.moving + counters.retrying;
  if (open > 0) found.push(`${open} moves are open at its end`);
  return found;
}

function allowedEnds(has: (kind: string) => boolean): string[] {
  const complete = ["completed", "completed-with-remainder"];
  // What nobody takes back leaves it as it was.
  if (has("rollback")) return ["rolled-back", "cancelled", ...complete];
  if (has("cancel")) return ["cancelled"];
  if (has("uncordon")) return ["cancelled", ...complete];
  return complete;
}

/** A completed evacuation keeps its cordon, and any other one gives it back. */
async function falseCordons(bed: EvacuationBed, trace: EvacuationTrace): Promise<string[]> {
  const { id, host, ended, accepted } = trace;
  const { cordons } = await bed.ask((api) => api.getHost(host));
  const own = cordons.filter(({ owner }) => owner === id);
  if (own.some(({ drains }) => drains === true)) return [`${host} is drained by ${id} still`];
  const isKept = ["completed", "completed-with-remainder"].includes(ended.status);
  const mayBeGone = accepted.some(({ kind }) => kind === "uncordon" || kind === "rollback");
  if (isKept) return own.length === 1 || mayBeGone ? [] : [`${host} has lost its cordon`];
  return own.length === 0 ? [] : [`${host} is cordoned by ${id}, which is ${ended.status}`];
}
