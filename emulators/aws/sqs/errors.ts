import { AwsError } from "../aws-json/aws-error.ts";

// Code of the older query protocol where it is not simply the error's name. SDKs show it as
// `Error.Code`. From the awsQueryError traits of the service's model.
const queryCodes: Record<string, string> = {
  BatchEntryIdsNotDistinct: "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
  BatchRequestTooLong: "AWS.SimpleQueueService.BatchRequestTooLong",
  EmptyBatchRequest: "AWS.SimpleQueueService.EmptyBatchRequest",
  InvalidBatchEntryId: "AWS.SimpleQueueService.InvalidBatchEntryId",
  MessageNotInflight: "AWS.SimpleQueueService.MessageNotInflight",
  QueueDoesNotExist: "AWS.SimpleQueueService.NonExistentQueue",
  QueueNameExists: "QueueAlreadyExists",
  TooManyEntriesInBatchRequest: "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
  UnsupportedOperation: "AWS.SimpleQueueService.UnsupportedOperation",
};

export class SqsError extends AwsError {
  readonly code: string;

  constructor(name: string, message: string) {
    const code = queryCodes[name] ?? name;
    super({
      type: `com.amazonaws.sqs#${name}`,
      message,
      headers: { "x-amzn-query-error": `${code};Sender` },
    });
    this.code = code;
  }
}

/** Neither the value nor its rule is modelled, so SQS reports it under one name for all. */
export function invalidParameter(name: string, reason: string): SqsError {
  return new SqsError(
    "InvalidParameterValue",
    `Value for parameter ${name} is invalid. Reason: ${reason}`,
  );
}

export function queueDoesNotExist(): SqsError {
  return new SqsError("QueueDoesNotExist", "The specified queue does not exist.");
}
