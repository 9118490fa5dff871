import type { CreateTableCommandInput } from "@aws-sdk/client-dynamodb";

/**
 * The one table, as data: what local mode and tests create and what infra/ declares. The shape is
 * CreateTable's, so it may be passed on as it is. docs/internals/data.md says which key serves which question.
 */
export const GSI1 = "gsi1";

/** Epoch seconds after which DynamoDB may remove an item. */
export const TTL_ATTRIBUTE = "ttl";

export const tableSchema: Omit<CreateTableCommandInput, "TableName"> = {
  BillingMode: "PAY_PER_REQUEST",
  AttributeDefinitions: [
    { AttributeName: "pk", AttributeType: "S" },
    { AttributeName: "sk", AttributeType: "S" },
    { AttributeName: "gsi1pk", AttributeType: "S" },
    { AttributeName: "gsi1sk", AttributeType: "S" },
  ],
  KeySchema: [
    { AttributeName: "pk", KeyType: "HASH" },
    { AttributeName: "sk", KeyType: "RANGE" },
  ],
  GlobalSecondaryIndexes: [
    {
      IndexName: GSI1,
      KeySchema: [
        { AttributeName: "gsi1pk", KeyType: "HASH" },
        { AttributeName: "gsi1sk", KeyType: "RANGE" },
      ],
      // Only what lists filter by: any more, and each update of a record would write the index too.
      Projection: { ProjectionType: "INCLUDE", NonKeyAttributes: ["status"] },
    },
  ],
};
