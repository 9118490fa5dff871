import { DynamoDBServiceException, TransactionCanceledException } from "@aws-sdk/client-dynamodb";
import * as z from "zod";
import { TableBusy, TableUnreachable } from "../../core/errors.ts";

/** Errors by which DynamoDB refuses a call for what it asks. All others concern the table. */
const REFUSALS = new Set([
  "ConditionalCheckFailedException",
  "ItemCollectionSizeLimitExceededException",
  "TransactionCanceledException",
  "ValidationException",
]);

/**
 * Errors by which DynamoDB has not done a call that it would do a moment later. The SDK repeats the
 * throttled ones twice, a conflict never.
 */
const BUSY = new Set([
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "ThrottlingException",
  "TransactionConflictException",
]);

/** True when another transaction holds the item, or the table is asked too often. */
export function isBusy(error: unknown): boolean {
  return error instanceof DynamoDBServiceException && BUSY.has(error.name);
}

/** True when the table cannot be reached, cannot write, or is too busy: a later call may succeed. */
export function isTableFailure(error: unknown): boolean {
  if (error instanceof TableBusy || error instanceof TableUnreachable) return true;
  return error instanceof DynamoDBServiceException && !REFUSALS.has(error.name);
}

/**
 * True when the table refuses what was to be written, and would do so again: an item that is too
 * large, for example. The same holds when a record does not fit its schema.
 */
export function isRefusedForGood(error: unknown): boolean {
  if (error instanceof z.ZodError) return true;
  if (error instanceof TransactionCanceledException) {
    return (error.CancellationReasons ?? []).some(({ Code }) => Code === "ValidationError");
  }
  if (!(error instanceof DynamoDBServiceException)) return false;
  return REFUSALS.has(error.name) && error.name !== "ConditionalCheckFailedException";
}

/** How DynamoDB begins what it says of an item of more than 400 KB, in a transaction, too. */
const TOO_LARGE = /^Item size/;

/** True when a record would be larger than an item of the table may be: nothing was written. */
export function isTooLarge(error: unknown): boolean {
  if (error instanceof TransactionCanceledException) {
    return (error.CancellationReasons ?? []).some(({ Message = "" }) => TOO_LARGE.test(Message));
  }
  return error instanceof DynamoDBServiceException && TOO_LARGE.test(error.message);
}

/** The error of a call to DynamoDB, as callers see it: no answer, or a fault there, is one kind. */
export function tableError(error: unknown): unknown {
  if (error instanceof DynamoDBServiceException && error.$fault === "client") return error;
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new TableUnreachable(reason, { cause: error });
}
