import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { TableBusy } from "../../core/errors.ts";
import type { AwsError } from "../../emulators/aws/aws-json/aws-error.ts";
import { busyCauses, busyError } from "../../emulators/aws/dynamodb/busy.ts";
import { dynamodbError } from "../../emulators/aws/dynamodb/errors.ts";
import { documents } from "../../functions/runtime/clients.ts";
import {
  conditionCheck,
  deleteIf,
  deleteItem,
  getItem,
  getItems,
  putItem,
  putItems,
  queryItems,
  transact,
  updateIf,
  updateItem,
  updateReadingOld,
  write,
} from "../../functions/store/table.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";

const key = { pk: "BUSY", sk: "ITEM" };
const other = { pk: "BUSY", sk: "OTHER" };
const stored = { ...key, times: 0 };
const addOne = {
  key,
  update: "ADD #times :one",
  condition: "attribute_exists(pk)",
  values: { ":one": 1 },
};
const exists = { condition: "attribute_exists(pk)" };

let cloud: TestCloud;
/** What the table still refuses. */
let refusals: { operation: string; error: (input: Record<string, unknown>) => AwsError };
let left: number;

beforeAll(async () => {
  left = 0;
  // The shortest pauses that can be drawn, ours and the SDK's.
  vi.spyOn(Math, "random").mockReturnValue(0);
  cloud = await startTestCloud({ refuse });
});
afterAll(async () => {
  vi.restoreAllMocks();
  await cloud.close();
});
beforeEach(async () => {
  left = 0;
  await putItem(stored);
  await deleteItem(other);
});

function refuse(operation: string, input: Record<string, unknown>): AwsError | undefined {
  if (left === 0 || operation !== refusals.operation) return undefined;
  left -= 1;
  return refusals.error(input);
}

/** More than the SDK repeats by itself. */
const TIMES = 4;

type Call = [operation: string, what: string, call: () => Promise<unknown>, gives: unknown];

const reads: Call[] = [
  ["GetItem", "getItem", () => getItem(key), stored],
  ["BatchGetItem", "getItems", () => getItems([key, other]), [stored]],
  [
    "Query",
    "queryItems",
    () => queryItems({ partition: ["pk", key.pk], limit: 9 }),
    { items: [stored], more: false, last: undefined },
  ],
];
const batches: Call[] = [
  ["BatchWriteItem", "putItems", () => putItems([{ ...stored, times: 1 }, other]), undefined],
];
const single: Call[] = [
  ["PutItem", "putItem", () => putItem({ ...key, times: 1 }), true],
  ["PutItem", "putItems of one", () => putItems([{ ...key, times: 1 }]), undefined],
  ["UpdateItem", "updateIf", () => updateIf(addOne), true],
  ["UpdateItem", "updateItem", () => updateItem(addOne), { ...key, times: 1 }],
  ["UpdateItem", "updateReadingOld", () => updateReadingOld(addOne), stored],
];
const deletes: Call[] = [
  ["DeleteItem", "deleteItem", () => deleteItem(key), undefined],
  ["DeleteItem", "deleteIf", () => deleteIf(key, exists), true],
];
const transactions: Call[] = [
  [
    "TransactWriteItems",
    "transact",
    () => transact([write.update(addOne), write.put(other), conditionCheck(stale, absent)]),
    [],
  ],
];
const stale = { pk: "BUSY", sk: "STALE" };
const absent = { condition: "attribute_not_exists(pk)" };

describe.each(busyCauses)("a table that refuses a call four times for %s", (cause) => {
  const answer = async ([operation, , call, gives]: Call) => {
    left = TIMES;
    refusals = { operation, error: (input) => busyError(operation, input, cause) };
    expect(await call()).toEqual(gives);
    expect(left).toBe(0);
  };

  it.each([...single, ...transactions])("has done it then, once: %s by %s", async (...call) => {
    await answer(call);
    expect(await getItem(key)).toEqual({ ...key, times: 1 });
  });

  it.each(deletes)("has done it then: %s by %s", async (...call) => {
    await answer(call);
    expect(await getItem(key)).toBeUndefined();
  });

  it.each(cause === "conflict" ? [] : [...reads, ...batches])(
    "gives it then: %s by %s",
    (...call) => answer(call),
  );
});

describe("a batch of which the table does a part each time", () => {
  /** Passes on the first entry of each batch. */
  function halve(): () => void {
    const name = "halve";
    documents().middlewareStack.add(
      (next) => async (call) => {
        const [entry] = Object.entries(requestItems(call.input));
        if (entry === undefined) throw new Error("Expected a batch");
        const [table, wanted] = entry;
        const [first, ...rest] = Array.isArray(wanted) ? wanted : (wanted.Keys ?? []);
        const part = (entries: unknown[]) =>
          Array.isArray(wanted) ? entries : { ...wanted, Keys: entries };
        const input = { RequestItems: { [table]: part([first]) } };
        const answered = await next({ ...call, input: input as never });
        const unprocessed = rest.length === 0 ? {} : { [table]: part(rest) };
        Object.assign(answered.output, {
          UnprocessedItems: unprocessed,
          UnprocessedKeys: unprocessed,
        });
        return answered;
      },
      { step: "initialize", name },
    );
    return () => documents().middlewareStack.remove(name);
  }

  it("is written and read as a whole", async () => {
    const items = ["A", "B", "C"].map((sk) => ({ pk: "HALVED", sk }));
    const restore = halve();
    try {
      await putItems(items);
      expect(await getItems(items)).toEqual(items);
    } finally {
      restore();
    }
    expect((await queryItems({ partition: ["pk", "HALVED"], limit: 9 })).items).toEqual(items);
  });
});

type Wanted = unknown[] | { Keys?: unknown[] };

function requestItems(input: object): Record<string, Wanted> {
  return (input as { RequestItems: Record<string, Wanted> }).RequestItems;
}

describe("a call", () => {
  it.each([...reads, ...batches, ...single, ...deletes, ...transactions])(
    "gives up as the table being busy, after a bounded number of attempts: %s by %s",
    async (operation, _, call) => {
      left = 100;
      refusals = { operation, error: (input) => busyError(operation, input, "conflict") };
      await expect(call()).rejects.toBeInstanceOf(TableBusy);
      expect(left).toBe(93);
      left = 0;
      expect(await getItem(key)).toEqual(stored);
    },
  );

  it("is not repeated when its condition does not hold", async () => {
    await deleteItem(key);
    left = 1;
    refusals = { operation: "UpdateItem", error: (i) => busyError("UpdateItem", i, "conflict") };
    expect(await updateIf(addOne)).toBe(false);
    expect(await getItem(key)).toBeUndefined();
  });

  it("is not repeated after another refusal", async () => {
    left = 2;
    const error = () => dynamodbError("AccessDeniedException", "Not allowed");
    refusals = { operation: "UpdateItem", error };
    await expect(updateIf(addOne)).rejects.toThrow("Not allowed");
    expect(left).toBe(1);
  });
});

describe("the calls above", () => {
  const folder = resolve(import.meta.dirname, "../../functions");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" });

  it("are all that functions have: only store/table.ts asks DynamoDB", () => {
    const asking = files
      .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
      .filter((name) => readFileSync(resolve(folder, name), "utf8").includes('lib-dynamodb"'));
    expect(asking.toSorted()).toEqual(["runtime/clients.ts", "store/table.ts"]);
  });

  it("are all that store/table.ts exports", async () => {
    const exported = Object.entries(await import("../../functions/store/table.ts"))
      .filter(([name, value]) => typeof value === "function" && name !== "expiresIn")
      .map(([name]) => name);
    const known = [...reads, ...batches, ...single, ...deletes, ...transactions].map(
      ([, what]) => what,
    );
    expect(exported.filter((name) => name !== "conditionCheck").toSorted()).toEqual(
      [...new Set(known.filter((what) => !what.includes(" ")))].toSorted(),
    );
  });
});
