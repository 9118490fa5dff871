import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MigrationId, ulid } from "../../core/id.ts";
import { migrationTasks } from "../../core/migration/tasks.ts";
import { ITEM_BYTES_MAX } from "../../emulators/aws/dynamodb/item-bytes.ts";
import { MESSAGE_BYTES_MAX } from "../../functions/agent-events/command-answers.ts";
import { keepWaitsAlive, raiseSignals } from "../../functions/agent-events/signals.ts";
import { registerWait } from "../../functions/service/register-wait.ts";
import { ATTEMPTS_KEPT, outgrown } from "../../functions/store/outgrown-signals.ts";
import {
  noSignals,
  type Outcome,
  PAUSED,
  readSignals,
  type Waiter,
} from "../../functions/store/signals.ts";
import { putItem } from "../../functions/store/table.ts";
import { turnSteps, undoOf } from "../../functions/task/turn-observations.ts";
import { refsOf } from "../../workflows/asl.ts";
import { migrationDefinition } from "../../workflows/migration.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";
import { storedBytes } from "./testing/stored-bytes.ts";

let cloud: TestCloud;

beforeAll(async () => {
  cloud = await startTestCloud();
});
afterAll(() => cloud.close());

/** Step Functions API Reference, SendTaskSuccess: the longest token. */
const TOKEN = "t".repeat(2_048);
/** Events in one batch: so many answers may be written before the oldest are removed. */
const BATCH = 100;
const NAME = "x".repeat(63);
const at = new Date(1_800_000_000_000).toISOString();
const by = `${NAME}#${Number.MAX_SAFE_INTEGER}`;

type Payload = { commands?: unknown; awaits?: string; signal?: string; taskToken?: string };
const payloads = Object.values(migrationDefinition(refsOf(migrationTasks, (task) => task)).States)
  .flatMap((state) => (state.Type === "Task" ? [state.Arguments as { Payload: Payload }] : []))
  .map(({ Payload }) => Payload)
  .filter(({ taskToken }) => taskToken !== undefined);

/** Steps of each state that sends commands; where an expression names them, of the way back. */
const groups = payloads.flatMap(({ commands }) => {
  if (commands === undefined) return [];
  if (!Array.isArray(commands)) return turnSteps.filter(undoOf).map((step) => [step]);
  return [(commands as { step: string }[]).map(({ step }) => step)];
});
const steps = new Set([...groups.flat(), "permit", "set"]);
const signals = payloads.flatMap(({ awaits, signal }) => awaits ?? signal ?? []);
const fixed = new Set([...signals, "converged", "admitted", "slots-taken"]);

const answer = (verb: "source.discard"): Outcome => ({
  at,
  by,
  answer: {
    host: NAME as never,
    atMs: 1_800_000_000_000.123,
    verb,
    error: { code: "stale-epoch", message: "€".repeat(MESSAGE_BYTES_MAX / 3) },
  },
});
const waiter = (names: string[]): Waiter => ({
  token: TOKEN,
  names,
  failOn: [...names, PAUSED],
  interruptible: false,
  pause: Number.MAX_SAFE_INTEGER,
});

describe("the item of signals", () => {
  it("stays below 400 KB with the longest of everything that its schema lets through", async () => {
    const attempts = Array.from({ length: ATTEMPTS_KEPT + 1 }, (_, place) => 9_999 - place);
    const more = Array.from({ length: BATCH }, (_, place) => 9_000 - place);
    const names = [...steps].flatMap((step) =>
      [...attempts, ...(step === "set" ? more : [])].map((attempt) => `cmd.${step}.${attempt}`),
    );
    const waits = groups.flatMap((group) =>
      attempts.map((attempt) => group.map((step) => `cmd.${step}.${attempt}`)),
    );
    const item = {
      ...noSignals(newId()),
      raised: Object.fromEntries([
        ...names.map((name) => [name, answer("source.discard")]),
        ...[...fixed].map((name) => [name, { at, by }]),
        [
          PAUSED,
          {
            at,
            by,
            pause: Number.MAX_SAFE_INTEGER,
            error: { name: "PostcopyPaused", message: "x".repeat(100) },
          },
        ],
      ]),
      waiting: Object.fromEntries([
        ...waits.map((all) => [all.join("+"), waiter(all)]),
        ...[...fixed].map((name) => [name, waiter([name])]),
      ]),
      interrupt: { kind: "not-handed-over", at, detail: "€".repeat(4_100) },
    };
    await putItem(item);
    const bytes = await storedBytes(item);
    expect(bytes).toBeLessThan(ITEM_BYTES_MAX);
    // The bound is not far away: something grows in this test, too, when it grows in the item.
    expect(bytes).toBeGreaterThan(ITEM_BYTES_MAX / 2);
  });

  it("keeps the newest attempts of each step, whatever the order", () => {
    const attempts = [3, 11, 1, 2, 10, 9];
    const names = attempts.flatMap((n) => [`cmd.a.${n}`, `cmd.b.${n}+cmd.c.${n}`]);
    const entries = Object.fromEntries([...names, "acked", PAUSED].map((name) => [name, {}]));
    expect(outgrown(entries).toSorted()).toEqual([
      "cmd.a.1",
      "cmd.a.2",
      "cmd.b.1+cmd.c.1",
      "cmd.b.2+cmd.c.2",
    ]);
  });
});

describe("a wait that is over", () => {
  it("gets no second heartbeat, and the one that is open gets each", async () => {
    const id = newId();
    await putItem(noSignals(id));
    const register = (name: string, token: string) =>
      registerWait(id, name, { ...waiter([name]), token }, Promise.resolve());
    await register("cmd.observe-source.1", `over-${id}`);
    await register("acked", `open-${id}`);
    cloud.stub.ended.push({ token: `over-${id}`, ok: false, error: "States.Timeout" });
    for (let beat = 0; beat < 3; beat += 1) await keepWaitsAlive(id);
    expect(cloud.stub.late.tokens).toEqual([`over-${id}`]);
    expect(cloud.stub.beats.filter((token) => token === `open-${id}`)).toHaveLength(3);
    expect(Object.keys((await readSignals(id))?.waiting ?? {})).toEqual(["acked"]);
  });

  it("is kept when it was registered again, with another token", async () => {
    const id = newId();
    await putItem(noSignals(id));
    const wait = (token: string) =>
      registerWait(id, "acked", { ...waiter(["acked"]), token }, Promise.resolve());
    await wait(`first-${id}`);
    cloud.stub.ended.push({ token: `first-${id}`, ok: false, error: "States.Timeout" });
    cloud.stub.late.on = () => wait(`second-${id}`);
    await keepWaitsAlive(id);
    cloud.stub.late.on = async () => undefined;
    await keepWaitsAlive(id);
    expect(cloud.stub.beats).toContain(`second-${id}`);
    await raiseSignals(id, [{ name: "acked", outcome: { at, by } }]);
    expect(cloud.stub.ended).toContainEqual({ token: `second-${id}`, ok: true });
  });
});

function newId() {
  return MigrationId.parse(`mig_${ulid(Date.now(), randomBytes(10))}`);
}
