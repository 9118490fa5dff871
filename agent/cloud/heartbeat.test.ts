import { expect, it, onTestFinished } from "vitest";
import { quietLog } from "../runtime/testing/quiet-log.ts";
import { CloudRefusedError, SupersededError } from "./api.ts";
import { Heartbeat } from "./heartbeat.ts";

type Answer = "heard" | Error;

/** Runs heartbeats 1 ms apart against these answers, and resolves with what followed. */
async function run(...answers: Answer[]): Promise<{ asked: number; superseded: boolean }> {
  const { promise, resolve } = Promise.withResolvers<{ asked: number; superseded: boolean }>();
  let asked = 0;
  const heartbeat = new Heartbeat({
    intervalMs: 1,
    log: quietLog(),
    onSuperseded: () => resolve({ asked, superseded: true }),
    api: {
      heartbeat: async () => {
        const answer = answers[asked];
        asked += 1;
        if (asked === answers.length) resolve({ asked, superseded: false });
        if (answer instanceof Error) throw answer;
      },
    },
  });
  onTestFinished(() => heartbeat.stop());
  heartbeat.start();
  return promise;
}

it("a heartbeat is sent again and again, whatever became of the one before", async () => {
  const refused = new CloudRefusedError("no such route", true);
  const answers: Answer[] = ["heard", new Error("no connection"), "heard", refused, "heard"];
  expect(await run(...answers)).toEqual({ asked: 5, superseded: false });
});

it("a heartbeat is not sent any more once another agent has registered", async () => {
  const answers: Answer[] = ["heard", new SupersededError("another one"), "heard"];
  expect(await run(...answers)).toEqual({ asked: 2, superseded: true });
});

it("stopping ends the heartbeat without waiting for its interval", async () => {
  const heartbeat = new Heartbeat({
    intervalMs: 3_600_000,
    log: quietLog(),
    onSuperseded: () => undefined,
    api: { heartbeat: () => Promise.reject(new Error("expected no heartbeat")) },
  });
  heartbeat.start();
  await expect(heartbeat.stop()).resolves.toBeUndefined();
});
