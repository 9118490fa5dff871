import { pino } from "pino";
import { expect, it } from "vitest";
import { scheduleCalls } from "./scheduled-calls.ts";

const log = pino({ level: "silent" });
const HOUR_MS = 3_600_000;

it("sweeps at the start, with an empty input", async () => {
  const inputs: unknown[] = [];
  const done = Promise.withResolvers<void>();
  const close = scheduleCalls(
    async (input) => {
      inputs.push(input);
      done.resolve();
    },
    { intervalMs: HOUR_MS, log },
  );
  await done.promise;
  await close();
  expect(inputs).toEqual([{}]);
});

it("tries again after a failed call", async () => {
  let calls = 0;
  const again = Promise.withResolvers<void>();
  const close = scheduleCalls(
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
