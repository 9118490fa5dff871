import { expect, it } from "vitest";
import { PASSES_MAX, predict } from "./predict.ts";

const GiB = 2 ** 30;
const MiB = 2 ** 20;
const quiet = {
  memoryBytes: GiB,
  diskBytes: 0,
  dirtyBytesPerSecond: 0,
  workingSetBytes: 0,
  streamBytesPerSecond: GiB,
  downtimeLimitMs: 300,
  loadMs: 0,
};

it.each([
  ["a guest that writes nothing", {}, { s: 1, converges: true }],
  ["64 GiB at 10 Gbit/s", { memoryBytes: 64 * GiB, streamBytesPerSecond: 1.25e9 }, { s: 54.98 }],
  [
    "16 GiB that write 60.5 MiB/s, at 8 Gbit/s",
    {
      memoryBytes: 16 * GiB,
      dirtyBytesPerSecond: 60.5 * MiB,
      workingSetBytes: 1.12 * GiB,
      streamBytesPerSecond: 1e9,
    },
    { s: 18.34, converges: true },
  ],
  [
    "a working set that bounds every pass",
    { memoryBytes: 4 * GiB, dirtyBytesPerSecond: GiB / 2, workingSetBytes: 0.25 * GiB },
    { s: 4.25, converges: true },
  ],
  ["a disk that is copied beside the memory", { diskBytes: 3 * GiB }, { s: 4, converges: true }],
  [
    "a guest that writes while its disk is copied",
    { diskBytes: 3 * GiB, dirtyBytesPerSecond: GiB / 2, workingSetBytes: 0.5 * GiB },
    { s: 4.75, converges: true },
  ],
  [
    "a guest that writes faster than it is sent",
    { dirtyBytesPerSecond: 2 * GiB, workingSetBytes: GiB / 2 },
    { s: 1 + PASSES_MAX / 2, converges: false },
  ],
  [
    "one whose working set fits the downtime limit, however fast it writes",
    { dirtyBytesPerSecond: 9 * GiB, workingSetBytes: 0.2 * GiB },
    { s: 1.2, converges: true },
  ],
])("predicts %s", (_, facts, expected) => {
  const { transferMs, converges } = predict({ ...quiet, ...facts });
  expect(Math.round(transferMs / 10) / 100).toBe(expected.s);
  if ("converges" in expected) expect(converges).toBe(expected.converges);
});

it("takes the last pass and the load time for the downtime", () => {
  const { downtimeMs, bytes } = predict({
    ...quiet,
    dirtyBytesPerSecond: GiB / 10,
    workingSetBytes: GiB,
    loadMs: 50,
  });
  expect(downtimeMs).toBeCloseTo(150);
  expect(bytes).toBeCloseTo(1.1 * GiB);
});

it("sends more bytes the slower the stream is, so the alone-sum is a lower bound", () => {
  const writer = { ...quiet, dirtyBytesPerSecond: GiB / 8, workingSetBytes: GiB };
  const rates = [8, 4, 2, 1, 0.5, 0.25].map((share) => share * GiB);
  const bytes = rates.map(
    (streamBytesPerSecond) => predict({ ...writer, streamBytesPerSecond }).bytes,
  );
  expect(bytes).toEqual(bytes.toSorted((one, other) => one - other));
});
