import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
  CommandId,
  EvacuationId,
  HostId,
  MigrationId,
  ScheduleId,
  VmId,
  WebhookId,
} from "../core/id.ts";
import { keys } from "../functions/store/keys.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const PAGE = ["docs/internals/data.md", "docs/data.md"].find((path) =>
  existsSync(`${root}/${path}`),
);

const host = HostId.parse("h");
const vm = VmId.parse("v");
const id = MigrationId.parse(`mig_${"0".repeat(26)}`);
const evacuation = EvacuationId.parse(`evac_${"0".repeat(26)}`);
const lane = { source: host, target: host, pool: "preparing", sizeClass: 30 } as const;
const schedule = ScheduleId.parse(`sch_${"0".repeat(26)}`);
const at = { atMs: 1, host, seq: 1 };

const webhook = WebhookId.parse("whk_01M8N1VNDJ2TD7XCBRST3FAP8W");
const entry = { day: "2026-11-30", shard: 0, at: "2026-11-30T01:42:07.322Z#0" };

/** One key of each maker: a new one is a type error here until it is added. */
const made: { [K in keyof typeof keys]: { pk: string; sk: string } } = {
  host: keys.host(host),
  hostFacts: keys.hostFacts(host),
  hostHeard: keys.hostHeard(host),
  hostVm: keys.hostVm(host, vm),
  queued: keys.queued(host, id),
  lane: keys.lane(lane),
  laneMember: keys.laneMember(lane, id),
  watch: keys.watch({ limit: { host, kind: "in" }, head: id, lane }),
  vm: keys.vm(vm),
  vmPast: keys.vmPast(vm),
  vmMigration: keys.vmMigration(vm, id),
  migration: keys.migration(id),
  signals: keys.signals(id),
  secret: keys.secret(id),
  event: keys.event(id, at),
  sample: keys.sample(id, at),
  learned: keys.learned({ name: "vm v", withAck: true }),
  group: keys.group("g"),
  command: keys.command(CommandId.parse("v.guest-start.1")),
  idempotency: keys.idempotency("k"),
  sweep: keys.sweep(),
  metrics: keys.metrics(0, "META"),
  evacuation: keys.evacuation(evacuation),
  evacuationWakes: keys.evacuationWakes(evacuation),
  evacuationMove: keys.evacuationMove(evacuation, vm),
  planVersion: keys.planVersion(evacuation, 1),
  planPart: keys.planPart(evacuation, { version: 1, writer: "w", part: 0 }),
  evacuationQueue: keys.evacuationQueue(evacuation, { side: "source", host, order: 0, vm }),
  schedule: keys.schedule(schedule),
  scheduleRun: keys.scheduleRun(schedule, "2026-11-30T22:00:00.000Z"),
  changeFreezes: keys.changeFreezes(),
  evacuationRetry: keys.evacuationRetry(evacuation, "2026-11-30T01:42:07.322Z", vm),
  listener: keys.listener({ host }, evacuation),
  tenant: keys.tenant("shop"),
  dayLog: keys.dayLog({ ...entry, log: "AUDIT" }),
  silentHosts: keys.silentHosts(),
  webhooks: keys.webhooks(),
  webhookCursor: keys.webhookCursor(),
  webhookSecret: keys.webhookSecret(webhook),
  delivery: keys.delivery(webhook, "evt_01M8N1VNDJ2TD7XCBRST3FAP8W"),
  health: keys.health(),
};
/** Makers with more than one sort key. */
const others = [
  keys.watch({ limit: { tenant: "shop", kind: "tenant" }, head: id, lane }),
  keys.listener({ tenant: "shop" }, evacuation),
  keys.listener({ room: true }, evacuation),
  keys.dayLog({ ...entry, log: "FLEET" }),
  keys.learned({ name: "vm v", withAck: false }),
  keys.metrics(0, "REST"),
  keys.evacuationQueue(evacuation, { side: "target", host, order: 0, vm }),
];

describe("the page about the table", () => {
  it("lists the prefixes of every key, and no others", () => {
    const inCode = [...Object.values(made), ...others].map(({ pk, sk }) => prefixes(pk, sk));
    expect(new Set(inDocs())).toEqual(new Set(inCode));
  });
});

/** `VM#web1`, `MIG#mig_…` is `VM# MIG#`; a sort key without parts is kept whole. */
function prefixes(pk: string, sk: string): string {
  return [pk, sk].map((part) => part.replace(/#.*/, "#")).join(" ");
}

/** Rows of the table of items; an empty first cell stands for the one above. */
function inDocs(): string[] {
  const page = readFileSync(`${root}/${PAGE}`, "utf8");
  const [, section = ""] = page.split(/^\| pk \| sk \|.*$/m);
  const [table = ""] = section.trimStart().split("\n\n");
  let current = "";
  return table.split("\n").flatMap((row) => {
    const [, pk = "", sk = ""] = row.split("|").map((cell) => cell.trim());
    if (/^-+$/.test(pk)) return [];
    current = code(pk)[0] ?? current;
    return code(sk).map((part) => prefixes(current, part));
  });
}

function code(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => String(match[1]));
}
