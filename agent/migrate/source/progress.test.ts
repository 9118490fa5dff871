import { describe, expect, it } from "vitest";
import { FinalFigures, Progress } from "../../../core/protocol/event.ts";
import { MigrationInfo } from "../../../qmp/migration.ts";
import { hasConverged, toFigures, toProgress } from "./progress.ts";

describe("convergence", () => {
  const GB = 1e9;
  it.each([
    ["before the first full pass", 1, 0, GB, 300, false],
    ["nothing left", 2, 0, 0, 300, true],
    ["what is left fits exactly", 2, 0.3 * GB, GB, 300, true],
    ["one byte too much", 2, 0.3 * GB + 1, GB, 300, false],
    ["no bandwidth measured", 2, 1, 0, 300, false],
    ["a downtime limit of 0", 2, 1, GB, 0, false],
  ])("%s", (_, dirtySyncCount, ramRemainingBytes, bandwidthBytesPerSecond, limitMs, expected) => {
    const figures = { dirtySyncCount, ramRemainingBytes, bandwidthBytesPerSecond };
    const progress = { ...figures, ramTransferredBytes: 1 };
    expect(hasConverged({ status: "active", ...progress }, limitMs)).toBe(expected);
  });

  it("is not known without figures", () => {
    expect(hasConverged({ status: "active" }, 300)).toBe(false);
    expect(hasConverged({ status: "active", dirtySyncCount: 3 }, 300)).toBe(false);
  });
});

describe("figures of QEMU", () => {
  const ram = { transferred: 1, remaining: 2, total: 3, mbps: 8.0004, "dirty-pages-rate": 10 };
  it.each([
    ["none yet", {}, { status: "none" }],
    [
      "with RAM",
      { status: "active", ram: { ...ram, "page-size": 2048, "dirty-sync-count": 4 } },
      {
        status: "active",
        ramTransferredBytes: 1,
        ramRemainingBytes: 2,
        ramTotalBytes: 3,
        bandwidthBytesPerSecond: 1_000_050,
        dirtyBytesPerSecond: 20_480,
        dirtySyncCount: 4,
      },
    ],
    [
      "with VFIO and no bandwidth",
      { status: "device", vfio: { transferred: 7 }, "expected-downtime": 2n ** 63n - 1n },
      {
        status: "device",
        vfioTransferredBytes: 7,
        expectedDowntimeMs: Number.MAX_SAFE_INTEGER,
      },
    ],
    ["negative", { status: "active", "total-time": -1 }, { status: "active", totalTimeMs: 0 }],
  ])("%s", (_, info, expected) => {
    const progress = toProgress(MigrationInfo.parse(info));
    expect(progress).toEqual(expected);
    Progress.parse(progress);
  });

  it.each([undefined, { status: "completed", downtime: 12, "total-time": 34, "setup-time": 5 }])(
    "at the end: %j",
    (info) => {
      const figures = toFigures(info && MigrationInfo.parse(info));
      FinalFigures.parse(figures);
      expect([figures.downtimeMs, figures.totalTimeMs]).toEqual(info ? [12, 34] : [0, 0]);
      expect(figures.progress.status).toBe("completed");
    },
  );
});
