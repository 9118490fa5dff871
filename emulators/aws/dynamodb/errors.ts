import { AwsError } from "../aws-json/aws-error.ts";

export function validationError(message: string): AwsError {
  return new AwsError({ type: "com.amazon.coral.validate#ValidationException", message });
}

export function dynamodbError(
  name: string,
  message: string,
  members: Record<string, unknown> = {},
): AwsError {
  return new AwsError({ type: `com.amazonaws.dynamodb.v20120810#${name}`, message, members });
}

/** The last part of the type, by which SDKs know an error. */
export function errorName(error: AwsError): string {
  return error.type.slice(error.type.indexOf("#") + 1);
}

/**
 * An error of dynalite has the answer in `body`; any other error is a fault and stays unchanged.
 */
export function fromDynalite(error: unknown): unknown {
  if (!(error instanceof Error) || !("body" in error)) return error;
  const { __type: type, message, Message } = error.body as Record<string, string | undefined>;
  return new AwsError({ type: type ?? "", message: message ?? Message ?? error.message });
}
