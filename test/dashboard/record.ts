import { writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { createClient } from "../../client/client.ts";
import { allOf } from "../../client/pages.ts";
import { loadEvacuation } from "../../dashboard/data/evacuation.ts";
import { loadFleet } from "../../dashboard/data/fleet.ts";
import { loadDrain } from "../../dashboard/data/host.ts";
import { loadMigration } from "../../dashboard/data/migration.ts";
import { loadRecent } from "../../dashboard/data/recent.ts";
import { loadSchedules } from "../../dashboard/data/schedules.ts";
import { loadVm } from "../../dashboard/data/vm.ts";
import { requestKey } from "../../dashboard/preview/request-key.ts";
import type { Fleet } from "../../rig/fleet.ts";
import { definition, GIB, MIB, move, slowEvacuation, startScene, until } from "./testing/scene.ts";

const ROOT = join(import.meta.dirname, "../..");
const FILE = join(ROOT, "dashboard/preview/recording.json");
const DAY_MS = 86_400_000;
const STATUSES = ["running", "completed", "failed", "cancelled", "unknown"];

/** `npm run dashboard:record`: the answers for the preview, from a control plane in this process's care. */
const fleet = await startScene(["host-a", "host-b", "host-c", "host-d"], {
  agent: { heartbeatIntervalMs: 3_000 },
});
try {
  await play(fleet);
  await record(fleet);
} finally {
  await fleet.stop();
}

/** Moves that are over, one that is held, one host that is silent, one that is being emptied. */
async function play({ api }: Fleet): Promise<void> {
  const link = { linkOutBytesPerSecond: 64 * MIB, linkInBytesPerSecond: 64 * MIB };
  for (const host of ["host-a", "host-b", "host-c", "host-d"]) await api.changeHost(host, link);
  for (const vm of ["web1", "web2", "web3", "db-2", "mail", "cache-1"]) {
    await fleet.startVm(vm, "host-a", definition());
  }
  await fleet.startVm("gpu-1", "host-a", definition(6 * GIB));
  await fleet.startVm("build-1", "host-b", definition(4 * GIB));
  await fleet.startVm("build-2", "host-c", definition(4 * GIB));
  await fleet.startVm("db-1", "host-c", definition());
  await fleet.startVm("idle-1", "host-d", definition());
  const policy = { downtimeBudgetMs: 300, maxBandwidthBytesPerSecond: 32 * MIB };
  for (const target of ["host-b", "host-a", "host-c", "host-a"]) {
    await move(fleet, { vm: "web1", target, policy });
  }
  const late = { precopyDeadlineMs: 2_000, maxBandwidthBytesPerSecond: 4 * MIB };
  await move(fleet, { vm: "db-2", target: "host-b", policy: late });
  const cancelled = await api.createMigration({ vm: "mail", target: "host-c", policy: late });
  await api.cancelMigration(cancelled.id);
  await fleet.waitForMigration(cancelled.id);
  const empty = await api.createEvacuation({ hosts: ["host-d"], by: "ada" });
  await api.approveEvacuation(empty.id, empty.version, "bob");
  await until("host-d to be empty", async () => {
    const { status } = await api.getEvacuation(empty.id);
    return status === "completed" ? true : undefined;
  });
  await fleet.agent("host-d").stop();
  const gated = { downtimeBudgetMs: 200, switchover: { mode: "gated" as const } };
  await api.createMigration({ vm: "db-1", target: "host-b", policy: gated });
  const made = await api.createEvacuation({
    ...slowEvacuation(["host-a"], "ada", 6 * MIB),
    limits: { errorBudget: 2 },
  });
  await api.approveEvacuation(made.id, made.version, "bob");
  await until("host-d to be silent", async () => {
    const { state } = await api.getHost("host-d");
    return state === "silent" ? true : undefined;
  });
  await api.createEvacuation({ hosts: ["host-c"], by: "ada" });
  await scheduleNights(fleet);
  await until("two guests to have moved, and another to be under way", async () => {
    const { items } = await api.listMigrations({ status: "running" });
    const isSending = items.some(({ evacuation, progress }) => {
      const { ramTransferredBytes: sent = 0 } = progress ?? {};
      return evacuation === made.id && sent > 20 * MIB;
    });
    const { counters } = await api.getEvacuation(made.id);
    return isSending && counters.moved >= 2 ? true : undefined;
  });
}

/** One that is open, one of each week, one that is paused, and a change freeze in a window. */
async function scheduleNights({ api }: Fleet): Promise<void> {
  const hour = (ahead: number) => new Date(Date.now() + ahead * 3_600_000);
  const wall = (time: Date) => time.toISOString().slice(0, 16);
  const zone = "Europe/Berlin";
  const made = { durationMs: 2 * 3_600_000, by: "ada" };
  const hosts = { needs: [{ fact: "kernel" as const, below: "9999.0" }] };
  const nightly = { ...made, name: "kernel updates", hosts, starts: { cron: "0 22 * * *", zone } };
  await api.createSchedule({ ...nightly, spread: true });
  const firmware = { cron: "30 1 * * SAT", zone };
  await api.createSchedule({
    ...made,
    name: "firmware, row 7",
    hosts,
    starts: firmware,
    spread: true,
  });
  const cards = { at: wall(hour(60)), zone: "UTC" };
  const { id } = await api.createSchedule({
    ...made,
    name: "new cards",
    hosts: { ids: ["host-b"] },
    starts: cards,
    spread: true,
  });
  await api.pauseSchedule(id, { by: "bob", message: "the cards are late" });
  const [next] = (await api.listSchedules()).items[0]?.next ?? [];
  if (next === undefined) throw new Error("Expected a window to come");
  const half = new Date(Date.parse(next.startsAt) + 3_600_000);
  await api.createChangeFreeze({
    from: wall(half),
    until: wall(new Date(half.getTime() + 12 * 3_600_000)),
    zone: "UTC",
    owner: "ada",
    message: "end of the quarter",
  });
}

/** The recording is published: it names no folder and no kernel of whoever has made it. */
function withoutMachine(text: string): string {
  return text.replaceAll(ROOT, "/opt/switchyard").replaceAll(release(), "6.12.41-amd64");
}

/** Asks what the pages ask. */
async function record({ operatorToken, api: { url } }: Fleet): Promise<void> {
  const answers: Record<string, unknown> = {};
  const api = createClient({
    url,
    token: operatorToken,
    fetch: async (input, init) => {
      const answer = await fetch(input, init);
      if (answer.ok) answers[requestKey(String(input), init)] = await answer.clone().json();
      return answer;
    },
  });
  const nowMs = Date.now();
  const { fleet: snapshot, evacuations } = await loadFleet(api, undefined);
  for (const { id } of evacuations) await loadEvacuation(api, id, undefined);
  const { migrations } = await loadRecent(api, DAY_MS, nowMs);
  for (const { id } of migrations) await loadMigration(api, id, undefined);
  for (const { id } of snapshot.hosts) await Promise.all([api.getHost(id), loadDrain(api, id)]);
  for (const { id } of await allOf(api.listVms)) await loadVm(api, id, undefined);
  await loadSchedules(api);
  for (const status of STATUSES) await api.listMigrations({ limit: 100, status });
  const recording = { recordedAt: new Date(nowMs).toISOString(), answers };
  writeFileSync(FILE, `${withoutMachine(JSON.stringify(recording))}\n`);
  console.log(`${Object.keys(answers).length} answers: ${FILE}`);
}
