import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AgentMetrics } from "../../agent/metrics/agent-metrics.ts";
import { Tally } from "../../agent/metrics/tally.ts";
import { createLog } from "../../agent/runtime/log.ts";
import { MetricsConfig } from "../../agent/runtime/metrics-config.ts";
import { AGENT_VERSION } from "../../agent/runtime/version.ts";
import { agentMetrics } from "../../core/metrics.ts";
import { VmDefinition } from "../../core/vm.ts";
import { spawnQemu } from "../../qmp/testing/real-qemu.ts";
import { hasPromtool } from "../promtool.ts";
import { TestHost } from "./testing/host.ts";
import { describeOnQemu, subject } from "./testing/subjects.ts";

const WAIT = { timeout: 30_000 };
const MEMORY = 32 << 20;
const definition = VmDefinition.parse({ memoryBytes: MEMORY, machine: "pc" });
const log = createLog("test");
log.level = "silent";

describeOnQemu("the agent's metrics", () => {
  let host: TestHost;
  let metrics: AgentMetrics;
  let tally: Tally;
  const waiting = { pending: 0, oldestAtMs: undefined as number | undefined };

  beforeEach(() => {
    host = new TestHost("host", subject);
    tally = new Tally();
    const config = MetricsConfig.parse({ textFile: join(host.folder, "switchyard.prom") });
    metrics = new AgentMetrics({ config, guests: host.guests, outbox: waiting, tally, log });
  });
  afterEach(() => host.close());

  const values = () =>
    Object.fromEntries(
      metrics.readings.map(({ metric, labels, value }) => [
        [metric.replace("switchyard_agent_", ""), ...Object.values(labels)].join(" "),
        value,
      ]),
    );

  it("show its guests, their QEMUs and what waits, in a file that names no guest", async () => {
    expect(values()).toMatchObject({
      [`build_info ${AGENT_VERSION} unknown`]: 1,
      connected: 0,
      guest_memory_bytes: 0,
      migrations: 0,
      events_queued: 0,
    });
    await host.run("guest.start", "web", { definition });
    const { major, minor, micro } = host.guests.all[0]?.monitor.version?.qemu ?? {};
    await vi.waitFor(() => expect(values()).toHaveProperty("guests running", 1), WAIT);
    Object.assign(waiting, { pending: 2, oldestAtMs: 5_000 });
    tally.request("accepted", 7_000);
    tally.request("failed");
    tally.command("guest.start", "completed");
    metrics.probed(`${major}.${minor}.${micro}`);
    metrics.connected();
    expect(values()).toMatchObject({
      [`build_info ${AGENT_VERSION} ${major}.${minor}.${micro}`]: 1,
      connected: 1,
      [`guest_qemu ${major}.${minor}.${micro}`]: 1,
      guest_memory_bytes: MEMORY,
      events_queued: 2,
      oldest_event_timestamp_seconds: 5,
      last_heard_timestamp_seconds: 7,
      "requests_total accepted": 1,
      "requests_total failed": 1,
      "commands_total guest.start completed": 1,
    });
    const text = readFileSync(join(host.folder, "switchyard.prom"), "utf8");
    expect(text).not.toContain("web");
    const named = new Set([...text.matchAll(/^switchyard_\w+/gm)].map(([name]) => name));
    expect([...named].filter((name) => !Object.hasOwn(agentMetrics, name))).toEqual([]);
    if (hasPromtool()) execFileSync("promtool", ["check", "metrics"], { input: text });
  });

  // The model is no process that is named as a QEMU is.
  it.skipIf(subject.isModel)("count QEMUs that others have started", async () => {
    const before = values()["other_qemus shell"] ?? 0;
    const others = await spawnQemu();
    try {
      vi.spyOn(performance, "now").mockReturnValue(performance.now() + 3_600_000);
      await vi.waitFor(() => expect(values()["other_qemus shell"]).toBeGreaterThan(before), WAIT);
    } finally {
      vi.restoreAllMocks();
      await others.close();
    }
  });
});

it("of the agent have no label that names a guest, a migration or a host", () => {
  const labels = new Set(
    Object.values(agentMetrics).flatMap((one): readonly string[] => one.labels),
  );
  expect([...labels].toSorted()).toEqual([
    "outcome",
    "owner",
    "qemu",
    "run_state",
    "verb",
    "version",
  ]);
});
