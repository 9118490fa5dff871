import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "../../client/client.ts";
import { allOf } from "../../client/pages.ts";
import { loadEvacuation } from "../../dashboard/data/evacuation.ts";
import { loadFleet } from "../../dashboard/data/fleet.ts";
import { loadDrain } from "../../dashboard/data/host.ts";
import { loadMigration } from "../../dashboard/data/migration.ts";
import { loadRecent } from "../../dashboard/data/recent.ts";
import { loadVm } from "../../dashboard/data/vm.ts";
import { requestKey } from "../../dashboard/preview/request-key.ts";
import type { Fleet } from "../../rig/fleet.ts";
import { definition, GIB, MIB, move, slowEvacuation, startScene, until } from "./testing/scene.ts";

const FILE = join(import.meta.dirname, "../../dashboard/preview/recording.json");
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
  for (const status of STATUSES) await api.listMigrations({ limit: 100, status });
  const recording = { recordedAt: new Date(nowMs).toISOString(), answers };
  writeFileSync(FILE, `${JSON.stringify(recording)}\n`);
  console.log(`${Object.keys(answers).length} answers: ${FILE}`);
}
