import { AwsError } from "./aws-error.ts";

export function tooLarge(bytesMax: number): AwsError {
  return new AwsError({
    type: "com.amazon.coral.service#RequestEntityTooLargeException",
    message: `Expected a request body of at most ${bytesMax} bytes`,
    statusCode: 413,
    headers: { connection: "close" },
  });
}
