import { ServiceError } from "./errors.ts";
import { NAME_LENGTH_MAX } from "./limits.ts";

/**
 * A name of a state machine or an execution.
 *
 * @throws ServiceError `InvalidName`
 */
export function requireName(name: string): string {
  const isTooLong = name.length === 0 || name.length > NAME_LENGTH_MAX;
  if (!isTooLong && !FORBIDDEN.test(name)) return name;
  throw new ServiceError("InvalidName", `Invalid Name: '${name}'`);
}

/** White space, brackets, wildcards, special and control characters (API reference). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is forbidden
const FORBIDDEN = /[\s<>{}[\]?*"#%\\^|~`$&,;:/\u0000-\u001f\u007f-\u009f\ufffe\uffff\ud800-\udfff]/;
