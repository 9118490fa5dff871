/**
 * TransactWriteItems and TransactGetItems. A transaction runs in one turn of the event loop inside
 * one SQLite transaction: nobody sees half of it, and a crash leaves all or nothing.
 *
 * An error in the shape of the request fails it as a whole (ValidationException). An error that
 * depends on a table or an item cancels it (TransactionCanceledException) with one reason per item,
 * in order.
 * https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
 */
import db from "dynalite/db/index.js";
import { AwsError } from "../aws-json/aws-error.ts";
import type { DynamodbContext } from "./context.ts";
import { dynamodbError, errorName, fromDynalite, validationError } from "./errors.ts";
import { checkInput, type Input, type OperationName, type Output, runNow } from "./operations.ts";
import type { Item, Store } from "./store.ts";

type Kind = keyof typeof operationOf;

type Action = {
  kind: Kind;
  tableName: string;
  input: Input;
  wantsOldItem: boolean;
};

type Reason = {
  Code: string;
  Message?: string;
  Item?: unknown;
};

const ITEMS_MAX = 100;
const BYTES_MAX = 4 * 1024 * 1024;
const TOKEN_LENGTH_MAX = 36;
// A condition check has the members of a delete, and is checked like one.
const operationOf = {
  ConditionCheck: "DeleteItem",
  Put: "PutItem",
  Update: "UpdateItem",
  Delete: "DeleteItem",
} as const satisfies Record<string, OperationName>;

/** @throws AwsError ValidationException, ResourceNotFoundException,
 * IdempotentParameterMismatchException or TransactionCanceledException. */
export function transactWriteItems(context: DynamodbContext, input: Input): Output {
  const { store, tokens } = context;
  requireMembers("TransactWriteItems", input, ["TransactItems", "ClientRequestToken"]);
  const items = requireItems(input);
  const token = requireToken(input.ClientRequestToken);
  const actions = items.map((item) => parseAction(store, item));

  return store.rows.atomically(() => {
    if (token !== undefined && tokens.use(token, items)) return {};
    for (const { tableName } of actions) requireTable(store, tableName);
    requireDistinctItems(store, actions);
    cancelIfAny(actions.map((action) => apply(store, action)));
    requireSize(store, actions);
    return {};
  });
}

/**
 * Reads all items in one turn, so that they belong to one moment.
 *
 * @throws AwsError as `transactWriteItems` does
 */
export function transactGetItems(store: Store, input: Input): Output {
  requireMembers("TransactGetItems", input, ["TransactItems"]);
  const actions = requireItems(input).map((item) => parseGet(store, item));
  for (const { tableName } of actions) requireTable(store, tableName);
  requireDistinctItems(store, actions);

  const responses: Output[] = [];
  cancelIfAny(
    actions.map((action) =>
      attempt(() => {
        responses.push(runNow(store, "GetItem", action.input));
      }),
    ),
  );
  return { Responses: responses };
}

function requireMembers(operation: string, input: Input, supported: string[]): void {
  for (const [name, value] of Object.entries(input)) {
    if (supported.includes(name) || value === undefined || value === null) continue;
    if (name.startsWith("Return") && value === "NONE") continue;
    throw validationError(`${operation}: \`${name}\` is not supported by the local DynamoDB`);
  }
}

function requireItems({ TransactItems: items }: Input): Input[] {
  const found = (rule: string) =>
    validationError(
      `1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must ${rule}`,
    );
  if (!Array.isArray(items)) throw found("not be null");
  if (items.length < 1) throw found("have length greater than or equal to 1");
  if (items.length > ITEMS_MAX) throw found(`have length less than or equal to ${ITEMS_MAX}`);
  return items;
}

function requireToken(token: unknown): string | undefined {
  if (token === undefined || token === null) return undefined;
  if (typeof token === "string" && token.length >= 1 && token.length <= TOKEN_LENGTH_MAX)
    return token;
  throw validationError(
    `1 validation error detected: Value '${token}' at 'clientRequestToken' failed to satisfy constraint: Member must have length less than or equal to ${TOKEN_LENGTH_MAX} and greater than or equal to 1`,
  );
}

function parseAction(store: Store, item: Input): Action {
  const [entry, ...others] = Object.entries(item ?? {}).filter(([, value]) => value != null);
  if (!entry || others.length > 0) {
    throw validationError("TransactItems can only contain one of Check, Put, Update or Delete");
  }
  const [kind, parameters] = entry as [Kind, Input];
  if (!Object.hasOwn(operationOf, kind)) {
    throw validationError(`TransactItems: \`${kind}\` is not supported by the local DynamoDB`);
  }
  if (kind === "ConditionCheck" && !parameters.ConditionExpression) {
    throw validationError("ConditionCheck: `ConditionExpression` must not be null");
  }
  if (kind === "Update" && !parameters.UpdateExpression) {
    throw validationError("Update: `UpdateExpression` must not be null");
  }
  const wantsOldItem = parameters.ReturnValuesOnConditionCheckFailure === "ALL_OLD";
  const input = checkInput(store, operationOf[kind], parameters);
  return { kind, tableName: String(input.TableName), input, wantsOldItem };
}

function parseGet(store: Store, item: Input): Pick<Action, "tableName" | "input"> {
  const [entry, ...others] = Object.entries(item ?? {}).filter(([, value]) => value != null);
  if (entry?.[0] !== "Get" || others.length > 0) {
    throw validationError("Expected each of TransactItems to hold one `Get`");
  }
  const input = checkInput(store, "GetItem", entry[1] as Input);
  return { tableName: String(input.TableName), input };
}

function requireTable(store: Store, name: string): void {
  if (store.readTable(name)) return;
  throw dynamodbError("ResourceNotFoundException", "Requested resource not found");
}

function requireDistinctItems(
  store: Store,
  actions: readonly Pick<Action, "tableName" | "input">[],
): void {
  const seen = new Set<string>();
  for (const { tableName, input } of actions) {
    const key = store.keyOf(tableName, (input.Key ?? input.Item) as Item);
    // A key that does not fit its table is reported with the item, as a reason.
    if (key === undefined) continue;
    const name = `${tableName}/${key}`;
    if (seen.has(name)) {
      throw validationError("Transaction request cannot include multiple operations on one item");
    }
    seen.add(name);
  }
}

function apply(store: Store, action: Action): Reason {
  const { kind, tableName, input, wantsOldItem } = action;
  const key = store.keyOf(tableName, (input.Key ?? input.Item) as Item);
  const before = key === undefined ? undefined : store.readItem(tableName, key);
  const reason = attempt(() => {
    if (kind === "ConditionCheck") checkCondition(store, tableName, input, before);
    else runNow(store, operationOf[kind], input);
  });
  const returnsItem = reason.Code === "ConditionalCheckFailed" && wantsOldItem && before;
  return returnsItem ? { ...reason, Item: before } : reason;
}

function checkCondition(
  store: Store,
  tableName: string,
  input: Input,
  before: Item | undefined,
): void {
  const invalid =
    db.validateKey(input.Key as Item, store.readTable(tableName) ?? {}) ??
    db.checkConditional(input, before);
  if (invalid) throw fromDynalite(invalid);
}

function attempt(work: () => void): Reason {
  try {
    work();
    return { Code: "None" };
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    const name = errorName(error);
    const Code = reasonCodes[name];
    if (Code === undefined) throw error;
    return { Code, Message: error.message };
  }
}

const reasonCodes: Record<string, string> = {
  ConditionalCheckFailedException: "ConditionalCheckFailed",
  ValidationException: "ValidationError",
};

function cancelIfAny(reasons: Reason[]): void {
  if (reasons.every((reason) => reason.Code === "None")) return;
  const codes = reasons.map((reason) => reason.Code).join(", ");
  const message = `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`;
  throw dynamodbError("TransactionCanceledException", message, { CancellationReasons: reasons });
}

function requireSize(store: Store, actions: readonly Action[]): void {
  let bytes = 0;
  for (const { tableName, input } of actions) {
    const key = store.keyOf(tableName, (input.Key ?? input.Item) as Item);
    const item = key === undefined ? undefined : store.readItem(tableName, key);
    bytes += item === undefined ? 0 : db.itemSize(item);
  }
  if (bytes <= BYTES_MAX) return;
  throw validationError(`Transaction request must be at most ${BYTES_MAX} bytes, got ${bytes}`);
}
