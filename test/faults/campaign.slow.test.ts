import { describe, it } from "vitest";
import { findQemu } from "../../qmp/testing/real-qemu.ts";
import { commitSeed } from "./seed.ts";
import { expectKept, SLICE_MS } from "./testing/slice.ts";

const { seed, from } = commitSeed();
const hasQemu = findQemu() !== undefined;

it(
  "a guest that is moved to and fro on the model keeps every promise: 6 runs of seed 1",
  () => expectKept(1, 6),
  SLICE_MS,
);

/** Other faults with each commit, the same for each run of one. */
describe(`a guest that is moved to and fro under the faults of seed ${seed} (${from})`, () => {
  it("keeps every promise on the model: 24 runs", () => expectKept(seed, 24), SLICE_MS);

  it(
    "keeps every promise over HTTP with signatures: 4 runs",
    () => expectKept(seed, 4, ["--http"]),
    SLICE_MS,
  );

  it.skipIf(!hasQemu)(
    `keeps every promise on real QEMU: 6 runs${hasQemu ? "" : " (skipped: no QEMU)"}`,
    () => expectKept(seed, 6, ["--real"]),
    SLICE_MS,
  );
});
