import type { CreateTableCommandInput } from "@aws-sdk/client-dynamodb";

/** A table with a text index (gsi1) and a number index (gsi2), for tests. */
export function tableInput(TableName: string): CreateTableCommandInput {
  const index = (IndexName: string, range: string) => ({
    IndexName,
    KeySchema: [
      { AttributeName: "g1", KeyType: "HASH" as const },
      { AttributeName: range, KeyType: "RANGE" as const },
    ],
    Projection: { ProjectionType: "ALL" as const },
  });
  return {
    TableName,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [
      { AttributeName: "pk", AttributeType: "S" },
      { AttributeName: "sk", AttributeType: "S" },
      { AttributeName: "g1", AttributeType: "S" },
      { AttributeName: "g2", AttributeType: "S" },
      { AttributeName: "rank", AttributeType: "N" },
    ],
    KeySchema: [
      { AttributeName: "pk", KeyType: "HASH" },
      { AttributeName: "sk", KeyType: "RANGE" },
    ],
    GlobalSecondaryIndexes: [index("gsi1", "g2"), index("gsi2", "rank")],
  };
}
