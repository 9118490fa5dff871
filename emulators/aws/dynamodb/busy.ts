import type { AwsError } from "../aws-json/aws-error.ts";
import { dynamodbError } from "./errors.ts";
import type { Input } from "./operations.ts";

/**
 * Why AWS does not do a call that it would do a moment later: another transaction has the item, the
 * table or one of its partitions is asked too often.
 */
export const busyCauses = ["conflict", "throughput", "throttling"] as const;
export type BusyCause = (typeof busyCauses)[number];

/**
 * What a call is answered with for that cause. A transaction is cancelled as a whole, with the cause
 * as the reason of its last item (API Reference, TransactWriteItems, "CancellationReasons").
 */
export function busyError(operation: string, input: Input, cause: BusyCause): AwsError {
  const { call, reason } = names[cause];
  if (!operation.startsWith("Transact")) return dynamodbError(call, "The table is busy");
  const { length } = input.TransactItems as unknown[];
  const reasons = Array.from({ length }, (_, place) =>
    place === length - 1 ? { Code: reason, Message: "The table is busy" } : { Code: "None" },
  );
  const message = `Transaction cancelled, please refer cancellation reasons for specific reasons [${reasons.map(({ Code }) => Code).join(", ")}]`;
  return dynamodbError("TransactionCanceledException", message, { CancellationReasons: reasons });
}

const names: Record<BusyCause, { call: string; reason: string }> = {
  conflict: { call: "TransactionConflictException", reason: "TransactionConflict" },
  throughput: {
    call: "ProvisionedThroughputExceededException",
    reason: "ProvisionedThroughputExceeded",
  },
  throttling: { call: "ThrottlingException", reason: "ThrottlingError" },
};
