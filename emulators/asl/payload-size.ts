import { StatesError } from "./errors.ts";
import { type Json, utf8Bytes } from "./json.ts";
import { PAYLOAD_BYTES_MAX } from "./limits.ts";

/**
 * The value as text, if it is not too long.
 *
 * @param what names the value in the error, as `output`
 * @throws StatesError `States.DataLimitExceeded`
 */
export function requireSize(
  value: Json,
  place: { readonly state: string; readonly what: string },
  bytesMax = PAYLOAD_BYTES_MAX,
): string {
  const text = JSON.stringify(value);
  if (utf8Bytes(text) <= bytesMax) return text;
  throw new StatesError(
    "States.DataLimitExceeded",
    `The state '${place.state}' has ${place.what} of more than ${bytesMax} bytes.`,
  );
}
