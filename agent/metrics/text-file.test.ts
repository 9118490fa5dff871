import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Reading } from "../../core/open-metrics.ts";
import { createLog } from "../runtime/log.ts";
import { MetricsConfig } from "../runtime/metrics-config.ts";
import { testFolder } from "../testing/folder.ts";
import { MetricsFile } from "./text-file.ts";

const log = createLog("test");
log.level = "silent";
let readings: Reading[] = [];
const queued = (value: number): Reading[] => [
  { metric: "switchyard_agent_events_queued", labels: {}, value },
];

beforeEach(() => {
  vi.useFakeTimers();
  readings = queued(1);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function open(textFile: string, rest: object = {}): MetricsFile {
  const config = MetricsConfig.parse({ textFile, intervalMs: 1_000, ...rest });
  return new MetricsFile({ config, read: () => readings, log });
}

const TEXT = (value: number) =>
  "# HELP switchyard_agent_events_queued Events that the control plane has not accepted yet\n" +
  `# TYPE switchyard_agent_events_queued gauge\nswitchyard_agent_events_queued ${value}\n`;

it("is written at once and at each interval, and removed when the agent stops", () => {
  const folder = testFolder();
  const path = join(folder, "switchyard.prom");
  const file = open(path);
  file.start();
  expect(readFileSync(path, "utf8")).toBe(TEXT(1));
  const first = statSync(path).ino;
  readings = queued(2);
  vi.advanceTimersByTime(1_000);
  expect(readFileSync(path, "utf8")).toBe(TEXT(2));
  // Renamed into place: whoever reads the old one goes on reading all of it.
  expect(statSync(path).ino).not.toBe(first);
  expect(readdirSync(folder)).toEqual(["switchyard.prom"]);
  file.stop();
  vi.advanceTimersByTime(5_000);
  expect(readdirSync(folder)).toEqual([]);
});

it.each([
  [{}, 0o644],
  [{ mode: "0640" }, 0o640],
])("has the mode that is configured, whatever the umask: %j", (rest, mode) => {
  const path = join(testFolder(), "a.prom");
  const before = process.umask(0o077);
  try {
    open(path, rest).write();
  } finally {
    process.umask(before);
  }
  expect(statSync(path).mode & 0o777).toBe(mode);
});

it("is tried again while it cannot be written, and that is logged once", () => {
  const folder = join(testFolder(), "later");
  const warn = vi.spyOn(log, "warn");
  const file = open(join(folder, "a.prom"));
  file.start();
  vi.advanceTimersByTime(3_000);
  expect(warn).toHaveBeenCalledTimes(1);
  mkdirSync(folder);
  vi.advanceTimersByTime(1_000);
  expect(readdirSync(folder)).toEqual(["a.prom"]);
  rmSync(folder, { recursive: true });
  vi.advanceTimersByTime(1_000);
  expect(warn).toHaveBeenCalledTimes(2);
  file.stop();
});

it.each([
  ["switchyard.prom", "textFile"],
  ["/var/lib/switchyard.txt", "textFile"],
])("is refused at %s", (textFile, field) => {
  const { error } = MetricsConfig.safeParse({ textFile });
  expect(error?.issues[0]?.path).toEqual([field]);
});

it.each(["0244", "0777", "0648", "rw"])("is refused with the mode %s", (mode) => {
  expect(MetricsConfig.safeParse({ textFile: "/a.prom", mode }).success).toBe(false);
});
