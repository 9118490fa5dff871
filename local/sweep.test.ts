import { pino } from "pino";
import { expect, it } from "vitest";
import { scheduleSweep } from "./sweep.ts";

const log = pino({ level: "silent" });
const HOUR_MS = 3_600_000;

it("sweeps at the start, page by page, until there are no more", async () => {
  const inputs: unknown[] = [];
  const sweep = async (input: unknown) => {
    inputs.push(input);
    return inputs.length < 3 ? { next: `page-${inputs.length}` } : {};
  };
  const done = Promise.withResolvers<void>();
  const close = scheduleSweep(
    async (input) => {
      const output = await sweep(input);
      if (inputs.length === 3) done.resolve();
      return output;
    },
    { intervalMs: HOUR_MS, log },
  );
  await done.promise;
  await close();
  expect(inputs).toEqual([{}, { after: "page-1" }, { after: "page-2" }]);
});

it("stops after ten pages, and goes on there the next time", async () => {
  const inputs: { after?: string }[] = [];
  const twice = Promise.withResolvers<void>();
  const close = scheduleSweep(
    async (input) => {
      inputs.push(input as { after?: string });
      if (inputs.length === 20) twice.resolve();
      return { next: `page-${inputs.length}` };
    },
    { intervalMs: 1, log },
  );
  await twice.promise;
  await close();
  expect(inputs[10]).toEqual({ after: "page-10" });
});

it("tries again after a failed call", async () => {
  let calls = 0;
  const again = Promise.withResolvers<void>();
  const close = scheduleSweep(
    async () => {
      calls += 1;
      if (calls === 1) throw new Error("the table is out of reach");
      again.resolve();
      return {};
    },
    { intervalMs: 1, log },
  );
  await again.promise;
  await close();
  expect(calls).toBeGreaterThan(1);
});
