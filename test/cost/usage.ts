import type { InProcessTransport } from "../../emulators/aws/aws-json/in-process-transport.ts";
import { itemBytes, type StoredItem, sum } from "../../emulators/aws/dynamodb/item-bytes.ts";
import { tableSchema } from "../../functions/store/table-schema.ts";

type Transport = Pick<InProcessTransport, "handle">;
type Request = Parameters<Transport["handle"]>[0];
type Service = "DYNAMODB" | "LAMBDA" | "SCHEDULER" | "SFN" | "SQS";
type Key = StoredItem;
type Body = {
  Key?: Key;
  Item?: StoredItem;
  IndexName?: string;
  ConsistentRead?: boolean;
  RequestItems?: Record<string, Writes[] & { ConsistentRead?: boolean }>;
  TransactItems?: { Put?: Write; Update?: Write; Delete?: Write }[];
};
type Write = { Key?: Key; Item?: StoredItem };
type Writes = { PutRequest?: Write; DeleteRequest?: Write };
type Answer = {
  Item?: StoredItem;
  Items?: StoredItem[];
  Responses?: Record<string, StoredItem[]>;
};

const WRITE_UNIT_BYTES = 1_024;
const READ_UNIT_BYTES = 4_096;
const indexes = tableSchema.GlobalSecondaryIndexes ?? [];

/** Requests to the AWS services in this process, in the units that AWS charges. */
export class Usage {
  /** By service and operation, such as `SQS SendMessage`. */
  readonly requests = new Map<string, number>();
  readUnits = 0;
  writeUnits = 0;

  /** The same transport, its requests counted. */
  readonly observe = (service: Service, transport: Transport): Transport => ({
    handle: async (request) => {
      const operation = operationOf(request);
      const name = `${service} ${operation}`;
      this.requests.set(name, (this.requests.get(name) ?? 0) + 1);
      if (service !== "DYNAMODB") return transport.handle(request);
      return this.#countUnits(operation, request, transport);
    },
  });

  /** Begins to count anew. */
  reset(): void {
    this.requests.clear();
    this.readUnits = 0;
    this.writeUnits = 0;
  }

  requestsOf(name: string): number {
    return this.requests.get(name) ?? 0;
  }

  async #countUnits(operation: string, request: Request, transport: Transport) {
    const body = parse<Body>(request.body);
    const isTransaction = operation === "TransactWriteItems";
    const keys = writesOf(operation, body).map(keyOf);
    const before = await Promise.all(keys.map((key) => read(transport, request, key)));
    const answered = await transport.handle(request);
    const after = await Promise.all(keys.map((key) => read(transport, request, key)));
    this.writeUnits += sum(
      keys.map((_, place) => writeUnitsOf(before[place], after[place], isTransaction)),
    );
    this.readUnits += readUnitsOf(operation, body, parse<Answer>(answered.response.body));
    return answered;
  }
}

function operationOf({ headers }: Request): string {
  return headers["x-amz-target"]?.split(".").at(-1) ?? "Invoke";
}

function writesOf(operation: string, body: Body): Write[] {
  switch (operation) {
    case "PutItem":
    case "UpdateItem":
    case "DeleteItem":
      return [body];
    case "TransactWriteItems":
      return (body.TransactItems ?? []).flatMap(({ Put, Update, Delete }) =>
        [Put, Update, Delete].flatMap((write) => (write === undefined ? [] : [write])),
      );
    case "BatchWriteItem":
      return Object.values(body.RequestItems ?? {})
        .flat()
        .flatMap(({ PutRequest, DeleteRequest }) => PutRequest ?? DeleteRequest ?? []);
    default:
      return [];
  }
}

function keyOf({ Key, Item }: Write): Key {
  const { pk, sk } = Key ?? Item ?? {};
  if (pk === undefined || sk === undefined) throw new Error("Expected a write to name its key");
  return { pk, sk };
}

/** The larger of the item before and after, and its entries in the indexes where they change. */
function writeUnitsOf(
  before: StoredItem | undefined,
  after: StoredItem | undefined,
  isTransaction: boolean,
): number {
  const bytes = Math.max(bytesOf(before), bytesOf(after));
  const units = Math.max(1, Math.ceil(bytes / WRITE_UNIT_BYTES)) * (isTransaction ? 2 : 1);
  return units + sum(indexes.map((index) => indexUnits(index, before, after)));
}

function indexUnits(
  { KeySchema = [], Projection }: (typeof indexes)[number],
  before: StoredItem | undefined,
  after: StoredItem | undefined,
): number {
  const keyNames = KeySchema.map(({ AttributeName = "" }) => AttributeName);
  const names = [...keyNames, "pk", "sk", ...(Projection?.NonKeyAttributes ?? [])];
  const entryOf = (item: StoredItem | undefined) =>
    item !== undefined && keyNames.every((name) => name in item)
      ? JSON.stringify(names.map((name) => item[name]))
      : undefined;
  return entryOf(before) === entryOf(after) ? 0 : 1;
}

function readUnitsOf(operation: string, body: Body, answer: Answer): number {
  switch (operation) {
    case "GetItem":
      return units(bytesOf(answer.Item), body.ConsistentRead === true);
    case "Query":
      return units(sum((answer.Items ?? []).map(bytesOf)), body.IndexName === undefined);
    case "BatchGetItem":
      return sum(
        Object.values(answer.Responses ?? {}).flatMap((items) =>
          items.map((item) => units(bytesOf(item), true)),
        ),
      );
    default:
      return 0;
  }
}

/** An eventually consistent read costs half. */
function units(bytes: number, isConsistent: boolean): number {
  return Math.max(1, Math.ceil(bytes / READ_UNIT_BYTES)) * (isConsistent ? 1 : 0.5);
}

function bytesOf(item: StoredItem | undefined): number {
  return item === undefined ? 0 : itemBytes(item);
}

/** The item as it is now; this read counts for nothing. */
async function read(transport: Transport, { method, headers }: Request, key: Key) {
  const get = { TableName: process.env.TABLE_NAME, Key: key, ConsistentRead: true };
  const { response } = await transport.handle({
    method,
    headers: { ...headers, "x-amz-target": "DynamoDB_20120810.GetItem" },
    body: JSON.stringify(get),
  });
  return parse<Answer>(response.body).Item;
}

function parse<T>(body: string | Uint8Array | undefined): T {
  if (typeof body === "string") return JSON.parse(body) as T;
  // `Buffer.from(body)` calls `valueOf()` first; the SDK's body answers with a decoded copy.
  const { buffer, byteOffset, byteLength } = body ?? Buffer.from("{}");
  return JSON.parse(Buffer.from(buffer, byteOffset, byteLength).toString("utf8")) as T;
}
