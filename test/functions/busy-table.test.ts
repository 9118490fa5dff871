import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { TableBusy } from "../../core/errors.ts";
import { AwsError } from "../../emulators/aws/aws-json/aws-error.ts";
import { deleteItem, getItem, putItem, updateIf, updateItem } from "../../functions/store/table.ts";
import { startTestCloud, type TestCloud } from "./testing/cloud.ts";

const key = { pk: "BUSY", sk: "ITEM" };
const addOne = {
  key,
  update: "ADD #times :one",
  condition: "attribute_exists(pk)",
  values: { ":one": 1 },
};

let cloud: TestCloud;
/** What the table still refuses. */
let refusals: { operation: string; code: string; left: number };

beforeAll(async () => {
  refusals = { operation: "", code: "", left: 0 };
  cloud = await startTestCloud({ refuse });
});
afterAll(() => cloud.close());
beforeEach(async () => {
  refusals.left = 0;
  await putItem({ ...key, times: 0 });
});

function refuse(operation: string): AwsError | undefined {
  if (operation !== refusals.operation || refusals.left === 0) return undefined;
  refusals.left -= 1;
  const type = `com.amazonaws.dynamodb.v20120810#${refusals.code}`;
  return new AwsError({ type, message: "The table is busy" });
}

const codes = [
  "TransactionConflictException",
  "ProvisionedThroughputExceededException",
  "ThrottlingException",
];
/** More than the SDK repeats by itself. */
const TIMES = 4;

describe.each(codes)("a single write that the table refuses with %s is done later", (code) => {
  it.each([
    ["PutItem", () => putItem({ ...key, times: 1 }), true],
    ["UpdateItem", () => updateIf(addOne), true],
    ["UpdateItem", () => updateItem(addOne), { ...key, times: 1 }],
  ])("by %s, once", async (operation, write, written) => {
    refusals = { operation, code, left: TIMES };
    expect(await write()).toEqual(written);
    expect(refusals.left).toBe(0);
    expect(await getItem(key)).toEqual({ ...key, times: 1 });
  });

  it("by DeleteItem", async () => {
    refusals = { operation: "DeleteItem", code, left: TIMES };
    await deleteItem(key);
    expect(refusals.left).toBe(0);
    expect(await getItem(key)).toBeUndefined();
  });
});

describe("a single write", () => {
  it("gives up as the table being busy, after a bounded number of attempts", async () => {
    refusals = { operation: "UpdateItem", code: "TransactionConflictException", left: 100 };
    await expect(updateIf(addOne)).rejects.toBeInstanceOf(TableBusy);
    expect(refusals.left).toBe(93);
    expect(await getItem(key)).toEqual({ ...key, times: 0 });
  });

  it("is not repeated when its condition does not hold", async () => {
    await deleteItem(key);
    refusals = { operation: "UpdateItem", code: "TransactionConflictException", left: 1 };
    expect(await updateIf(addOne)).toBe(false);
    expect(await getItem(key)).toBeUndefined();
  });

  it("is not repeated after another refusal", async () => {
    refusals = { operation: "UpdateItem", code: "AccessDeniedException", left: 2 };
    await expect(updateIf(addOne)).rejects.toThrow("The table is busy");
    expect(refusals.left).toBe(1);
  });
});
