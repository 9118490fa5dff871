import { TTL_ATTRIBUTE, tableSchema } from "../functions/store/table-schema.ts";
import { isProduction, names } from "./settings.ts";

const { AttributeDefinitions = [], KeySchema = [], GlobalSecondaryIndexes = [] } = tableSchema;

/** The one table, as functions/store/table-schema.ts has it. */
export const table = new aws.dynamodb.Table(
  "Table",
  {
    name: names.table,
    billingMode: "PAY_PER_REQUEST",
    attributes: AttributeDefinitions.map(({ AttributeName, AttributeType }) => ({
      name: `${AttributeName}`,
      type: `${AttributeType}`,
    })),
    hashKey: keyOf(KeySchema, "HASH"),
    rangeKey: keyOf(KeySchema, "RANGE"),
    globalSecondaryIndexes: GlobalSecondaryIndexes.map((index) => ({
      name: `${index.IndexName}`,
      hashKey: keyOf(index.KeySchema, "HASH"),
      rangeKey: keyOf(index.KeySchema, "RANGE"),
      projectionType: `${index.Projection?.ProjectionType}`,
      nonKeyAttributes: [...(index.Projection?.NonKeyAttributes ?? [])],
    })),
    ttl: { enabled: true, attributeName: TTL_ATTRIBUTE },
    pointInTimeRecovery: { enabled: true },
    // With the account's key for DynamoDB, whose use CloudTrail shows.
    serverSideEncryption: { enabled: true },
    deletionProtectionEnabled: isProduction,
  },
  { retainOnDelete: isProduction },
);

function keyOf(
  schema: { AttributeName?: string | undefined; KeyType?: string | undefined }[] | undefined,
  type: "HASH" | "RANGE",
): string {
  const name = schema?.find(({ KeyType }) => KeyType === type)?.AttributeName;
  if (name === undefined) throw new Error(`Expected the table's schema to have a ${type} key`);
  return name;
}
