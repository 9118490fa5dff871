import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { itemBytes } from "../../../emulators/aws/dynamodb/item-bytes.ts";
import { config } from "../../../functions/runtime/config.ts";

/** Bytes of an item of the table, as DynamoDB counts them. */
export async function storedBytes({ pk, sk }: { pk: string; sk: string }): Promise<number> {
  const client = new DynamoDBClient({});
  try {
    const get = { TableName: config().tableName, Key: { pk: { S: pk }, sk: { S: sk } } };
    const { Item } = await client.send(new GetItemCommand(get));
    if (Item === undefined) throw new Error(`Expected an item ${pk} ${sk}`);
    return itemBytes(Item as never);
  } finally {
    client.destroy();
  }
}
