const CENSORED = "[redacted]";

/** Members of QMP arguments that hold secrets, such as `data` of a `secret` object. */
const SECRET_NAME = /^(data|value)$|passw|passphrase|secret|key|token|credential/i;

/**
 * A copy of a command's arguments for error reports. The values of members that may hold a secret are
 * replaced; `value` of `qom-set` is among them, since any property may be set.
 */
export function redactArguments(args: object | undefined): Readonly<Record<string, unknown>> {
  return redactMembers(args ?? {});
}

function redactMembers(members: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(members).map(([name, value]) => [
      name,
      SECRET_NAME.test(name) ? CENSORED : redactValue(value),
    ]),
  );
}

function redactValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redactValue);
  return typeof value === "object" && value !== null ? redactMembers(value) : value;
}
