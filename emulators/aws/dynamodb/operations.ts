/** dynalite's operations, with its checks, on our store. */
import batchGetItem from "dynalite/actions/batchGetItem.js";
import batchWriteItem from "dynalite/actions/batchWriteItem.js";
import createTable from "dynalite/actions/createTable.js";
import deleteItem from "dynalite/actions/deleteItem.js";
import deleteTable from "dynalite/actions/deleteTable.js";
import describeTable from "dynalite/actions/describeTable.js";
import getItem from "dynalite/actions/getItem.js";
import listTables from "dynalite/actions/listTables.js";
import putItem from "dynalite/actions/putItem.js";
import query from "dynalite/actions/query.js";
import scan from "dynalite/actions/scan.js";
import updateItem from "dynalite/actions/updateItem.js";
import batchGetItemChecks from "dynalite/validations/batchGetItem.js";
import batchWriteItemChecks from "dynalite/validations/batchWriteItem.js";
import createTableChecks from "dynalite/validations/createTable.js";
import deleteItemChecks from "dynalite/validations/deleteItem.js";
import deleteTableChecks from "dynalite/validations/deleteTable.js";
import describeTableChecks from "dynalite/validations/describeTable.js";
import getItemChecks from "dynalite/validations/getItem.js";
import validations from "dynalite/validations/index.js";
import listTablesChecks from "dynalite/validations/listTables.js";
import putItemChecks from "dynalite/validations/putItem.js";
import queryChecks from "dynalite/validations/query.js";
import scanChecks from "dynalite/validations/scan.js";
import updateItemChecks from "dynalite/validations/updateItem.js";
import { fromDynalite } from "./errors.ts";
import "./sizes-in-bytes.ts";
import "./parsed-expressions.ts";
import { requireComparable, requireSupported } from "./refusals.ts";
import type { Store } from "./store.ts";

export type Input = Record<string, unknown>;
export type Output = Record<string, unknown>;

const operations = {
  BatchGetItem: { action: batchGetItem, checks: batchGetItemChecks },
  BatchWriteItem: { action: batchWriteItem, checks: batchWriteItemChecks },
  CreateTable: { action: createTable, checks: createTableChecks },
  DeleteItem: { action: deleteItem, checks: deleteItemChecks },
  DeleteTable: { action: deleteTable, checks: deleteTableChecks },
  DescribeTable: { action: describeTable, checks: describeTableChecks },
  GetItem: { action: getItem, checks: getItemChecks },
  ListTables: { action: listTables, checks: listTablesChecks },
  PutItem: { action: putItem, checks: putItemChecks },
  Query: { action: query, checks: queryChecks },
  Scan: { action: scan, checks: scanChecks },
  UpdateItem: { action: updateItem, checks: updateItemChecks },
};

export type OperationName = keyof typeof operations;

/**
 * Checks the shape, limits and expressions of an input, without reading a table. It is normalised
 * in place: members that dynalite does not know are removed.
 *
 * @returns the input as dynalite's operation takes it: expressions parsed, numbers normalised
 * @throws AwsError that names what is wrong or what the local service does not support
 */
export function checkInput(store: Store, name: OperationName, input: Input): Input {
  const { types, custom } = operations[name].checks;
  requireSupported(name, input, types);
  try {
    const checked = validations.checkTypes(input, types);
    validations.checkValidations(checked, types, custom, store);
    requireComparable(name, checked);
    return checked;
  } catch (error) {
    throw fromDynalite(error);
  }
}

/** Runs an operation that walks rows: Query, Scan, ListTables and batches of reads. */
export function run(store: object, name: OperationName, checked: Input): Promise<Output> {
  return new Promise((resolve, reject) => {
    operations[name].action(store, checked, (error, output) => {
      if (error) reject(fromDynalite(error));
      else resolve(output ?? {});
    });
  });
}

/** Runs an operation that reads and writes by key, all in this turn of the event loop. */
export function runNow(store: Store, name: OperationName, checked: Input): Output {
  let answer: { error: unknown; output: Output | undefined } | undefined;
  operations[name].action(store, checked, (error, output) => {
    answer ??= { error, output };
  });
  // If this were false, the transaction around it would end before the operation does.
  if (!answer) throw new Error(`${name} did not finish in one turn`);
  if (answer.error) throw fromDynalite(answer.error);
  return answer.output ?? {};
}
