type AwsErrorOptions = {
  /**
   * Full shape name, such as `com.amazonaws.sqs#QueueDoesNotExist`. SDKs read what follows the `#`.
   */
  type: string;
  message: string;
  /** HTTP status. Default 400. */
  statusCode?: number;
  /** Further members of the error shape, such as `CancellationReasons`. */
  members?: Record<string, unknown>;
  /** Further response headers, such as `x-amzn-query-error`. */
  headers?: Record<string, string>;
};

/** A deliberate error answer of a local service: the server sends it as an AWS JSON error. */
export class AwsError extends Error {
  override name = "AwsError";
  readonly type: string;
  readonly statusCode: number;
  readonly members: Record<string, unknown>;
  readonly headers: Record<string, string>;

  constructor(options: AwsErrorOptions) {
    super(options.message);
    this.type = options.type;
    this.statusCode = options.statusCode ?? 400;
    this.members = options.members ?? {};
    this.headers = options.headers ?? {};
  }
}

export function unknownOperation(message: string): AwsError {
  return new AwsError({ type: "com.amazon.coral.service#UnknownOperationException", message });
}

export function serializationError(message: string): AwsError {
  return new AwsError({ type: "com.amazon.coral.service#SerializationException", message });
}

export function tooLarge(bytesMax: number): AwsError {
  return new AwsError({
    type: "com.amazon.coral.service#RequestEntityTooLargeException",
    message: `Expected a request body of at most ${bytesMax} bytes`,
    statusCode: 413,
    headers: { connection: "close" },
  });
}
