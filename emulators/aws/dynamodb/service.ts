import { AwsError, unknownOperation } from "../aws-json/aws-error.ts";
import type { DynamodbContext } from "./context.ts";
import { errorName } from "./errors.ts";
import {
  checkInput,
  type Input,
  type OperationName,
  type Output,
  run,
  runNow,
} from "./operations.ts";
import type { Item, Store, Table } from "./store.ts";
import { transactGetItems, transactWriteItems } from "./transact.ts";

type Done = (error: Error | null) => void;
type Answer = (context: DynamodbContext, input: Input) => Output | Promise<Output>;

const answers: Record<string, Answer> = {
  BatchGetItem: (context, input) => read(context, "BatchGetItem", input),
  BatchWriteItem: (context, input) => write(context, "BatchWriteItem", input),
  CreateTable: createTable,
  DeleteItem: (context, input) => writeItem(context, "DeleteItem", input),
  DeleteTable: deleteTable,
  DescribeTable: (context, input) => read(context, "DescribeTable", input),
  DescribeTimeToLive: ({ timeToLive }, input) => timeToLive.describe(input),
  GetItem: (context, input) => read(context, "GetItem", input),
  ListTables: (context, input) => read(context, "ListTables", input),
  PutItem: (context, input) => writeItem(context, "PutItem", input),
  Query: (context, input) => walk(context, "Query", input),
  Scan: (context, input) => walk(context, "Scan", input),
  TransactGetItems: ({ store }, input) => transactGetItems(store, input),
  TransactWriteItems: transactWriteItems,
  UpdateItem: (context, input) => writeItem(context, "UpdateItem", input),
  UpdateTimeToLive: ({ timeToLive }, input) => timeToLive.update(input),
};

/** @throws AwsError as DynamoDB does, or `UnknownOperationException` for what is not supported */
export async function answer(context: DynamodbContext, operation: string, input: Input) {
  const handler = Object.hasOwn(answers, operation) ? answers[operation] : undefined;
  if (!handler) throw unknownOperation(`${operation} is not supported by the local DynamoDB`);
  return handler(context, input);
}

function read({ store }: DynamodbContext, name: OperationName, input: Input): Promise<Output> {
  return run(store, name, checkInput(store, name, input));
}

function walk({ store }: DynamodbContext, name: OperationName, input: Input): Promise<Output> {
  const checked = checkInput(store, name, input);
  const start = checked.ExclusiveStartKey as Item | undefined;
  const startKey = start && store.keyOf(String(checked.TableName), start);
  return run(startKey === undefined ? store : store.startingAfter(startKey), name, checked);
}

function write({ store }: DynamodbContext, name: OperationName, input: Input): Output {
  const checked = checkInput(store, name, input);
  return store.rows.atomically(() => runNow(store, name, checked));
}

function writeItem(context: DynamodbContext, name: OperationName, input: Input): Output {
  const wantsOldItem = input.ReturnValuesOnConditionCheckFailure === "ALL_OLD";
  try {
    return write(context, name, input);
  } catch (error) {
    if (!wantsOldItem) throw error;
    if (!(error instanceof AwsError)) throw error;
    if (errorName(error) !== "ConditionalCheckFailedException") throw error;
    const Item = readItem(context.store, input);
    throw new AwsError({ type: error.type, message: error.message, members: Item ? { Item } : {} });
  }
}

function readItem(store: Store, input: Input): Item | undefined {
  const tableName = String(input.TableName);
  const key = store.keyOf(tableName, (input.Key ?? input.Item) as Item);
  return key === undefined ? undefined : store.readItem(tableName, key);
}

/** The answer has status CREATING, as on AWS, but the table already exists. */
function createTable({ store }: DynamodbContext, input: Input): Output {
  const checked = checkInput(store, "CreateTable", input);
  return store.rows.atomically(() =>
    structuredClone(runNow(settling(store), "CreateTable", checked)),
  );
}

function deleteTable({ store, timeToLive }: DynamodbContext, input: Input): Output {
  const checked = checkInput(store, "DeleteTable", input);
  return store.rows.atomically(() => {
    const output = structuredClone(runNow(settling(store), "DeleteTable", checked));
    const tableName = String(checked.TableName);
    store.tableDb.del(tableName, () => {});
    timeToLive.forget(tableName);
    return output;
  });
}

/**
 * dynalite writes a table first as CREATING or DELETING and, from a timer, as settled. After a
 * crash between the two it would stay unsettled, and a late timer could restore a deleted table. So
 * the first write is already the settled one, and the timer's writes are dropped.
 */
function settling(store: Store): Store {
  let open = true;
  queueMicrotask(() => {
    open = false;
  });
  return {
    ...store,
    tableDb: {
      ...store.tableDb,
      put: (name: string, table: unknown, done: Done) =>
        open ? store.tableDb.put(name, settled(table as Table), done) : done(null),
      del: (name: string, done: Done) => (open ? store.tableDb.del(name, done) : done(null)),
    },
  };
}

function settled(table: Table): Table {
  const settledTable = { ...table, TableStatus: "ACTIVE" };
  if (!table.GlobalSecondaryIndexes) return settledTable;
  return {
    ...settledTable,
    GlobalSecondaryIndexes: table.GlobalSecondaryIndexes.map((index) => ({
      ...index,
      IndexStatus: "ACTIVE",
    })),
  };
}
