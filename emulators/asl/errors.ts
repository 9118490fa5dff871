import { AwsError } from "../aws/aws-json/aws-error.ts";
import type { JsonObject } from "./json.ts";

// Error
// ├─ StatesError             inside an execution: Retry and Catch see its code
// └─ AwsError ─ ServiceError  answer to an API call: the SDK sees its code as the exception's name

/** An error of the Amazon States Language: `ErrorEquals` is compared with its code. */
export class StatesError extends Error {
  override name = "StatesError";
  /** Empty only for a Fail state without Error. */
  readonly code: string;
  /** Absent where AWS gives none, for example after a timeout. */
  readonly reason: string | undefined;
  /** The field whose expression failed, for the EvaluationFailed event. */
  readonly location: string | undefined;

  constructor(code: string, reason?: string, location?: string) {
    super(reason === undefined ? code : `${code}: ${reason}`);
    this.code = code;
    this.reason = reason;
    this.location = location;
  }

  /** As `$states.errorOutput` and as a state's output after Catch. */
  get output(): JsonObject {
    return {
      ...(this.code !== "" && { Error: this.code }),
      ...(this.reason !== undefined && { Cause: this.reason }),
    };
  }
}

export function runtimeError(reason: string): StatesError {
  return new StatesError("States.Runtime", reason);
}

/** An exception of the Step Functions API, such as `ExecutionDoesNotExist`. */
export class ServiceError extends AwsError {
  override name = "ServiceError";
  readonly code: string;

  constructor(code: string, message: string, members: JsonObject = {}) {
    super({ type: `com.amazonaws.states#${code}`, message, members });
    this.code = code;
  }
}
