import type { ParameterValue } from "../protocol/probe.ts";
import type { Parameter } from "./parameter.ts";
import { findParameter } from "./parameters.ts";

export type ParameterCheck =
  /** The value in the form that QEMU accepts; integers beyond 2^53 stay text. */
  { ok: true; value: ParameterValue } | { ok: false; code: string; message: string; cure: string };

/**
 * Checks one migration parameter's value against QEMU's rules of all versions. Stricter than QEMU
 * where QEMU accepts a value and uses another one: -1 for a size, fractions, numbers that JSON does
 * not represent exactly, and the traps of the table.
 */
export function checkParameter(name: string, value: ParameterValue): ParameterCheck {
  const parameter = findParameter(name);
  if (parameter === undefined) {
    return refuse(
      "unknown-parameter",
      `Expected the name of a QEMU migration parameter, got ${show(name)}`,
      "Use a name of `query-migrate-parameters`, such as `max-bandwidth`",
    );
  }
  if (parameter.refusal !== undefined) {
    const { why, cure } = parameter.refusal;
    return refuse(
      "unusable-parameter",
      `\`${name}\` cannot be set for a live migration: ${why}`,
      cure,
    );
  }
  switch (parameter.type) {
    case "integer":
      return checkInteger(parameter, value);
    case "boolean":
      return typeof value === "boolean" ? accept(value) : expected(parameter, "a boolean", value);
    case "text":
      return checkText(parameter, value);
    case "enum":
      return checkEnum(parameter, value);
    case "list":
      return expected(parameter, "omitted", value);
  }
}

function checkInteger(parameter: Parameter, value: ParameterValue): ParameterCheck {
  const { min = 0, max = Number.MAX_SAFE_INTEGER, unit, trap } = parameter;
  const integer = toInteger(value);
  const rule = `${parameter.powerOfTwo ? "a power of two" : "an integer"} of ${min} to ${max} ${unit}`;
  if (integer === undefined || integer < BigInt(min) || integer > BigInt(max)) {
    return expected(parameter, rule, value);
  }
  if (parameter.powerOfTwo && (integer & (integer - 1n)) !== 0n) {
    return expected(parameter, rule, value);
  }
  if (trap && integer >= BigInt(trap.from) && integer <= BigInt(trap.to)) {
    const range = trap.from === trap.to ? `${trap.from}` : `${trap.from} to ${trap.to}`;
    return expected(parameter, `something else than ${range} ${unit} (${trap.why})`, value);
  }
  const isSafe = integer <= BigInt(Number.MAX_SAFE_INTEGER);
  return accept(isSafe ? Number(integer) : integer.toString());
}

/** A safe integer, or digits as text (the only exact form beyond 2^53). */
function toInteger(value: ParameterValue): bigint | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (typeof value !== "string" || !/^\d{1,20}$/.test(value)) return undefined;
  return BigInt(value);
}

const OBJECT_ID = /^[A-Za-z][A-Za-z0-9_.-]{0,254}$/;
const HOST_NAME = /^[A-Za-z0-9:][A-Za-z0-9_.:-]{0,254}$/;

function checkText(parameter: Parameter, value: ParameterValue): ParameterCheck {
  if (value === null || value === "") return accept("");
  const isHost = parameter.name === "tls-hostname";
  const form = isHost ? HOST_NAME : OBJECT_ID;
  if (typeof value === "string" && form.test(value)) return accept(value);
  return expected(parameter, isHost ? "a host name" : "the id of a QEMU object", value);
}

function checkEnum(parameter: Parameter, value: ParameterValue): ParameterCheck {
  const { values = [] } = parameter;
  if (typeof value === "string" && values.includes(value)) return accept(value);
  if (parameter.name === "mode" && typeof value === "string" && value.startsWith("cpr-")) {
    return refuse(
      "unusable-parameter",
      `Expected \`mode\` to be normal, got ${show(value)}: it transfers a guest to another QEMU on the same host`,
      "Remove `mode` from the policy",
    );
  }
  return expected(parameter, values.length > 1 ? `one of ${values.join(", ")}` : values[0], value);
}

function expected(
  { name }: Parameter,
  rule: string | undefined,
  value: ParameterValue,
): ParameterCheck {
  return refuse(
    "invalid-parameter",
    `Expected \`${name}\` to be ${rule}, got ${show(value)} (${value === null ? "null" : typeof value})`,
    `Give \`${name}\` such a value, or omit it`,
  );
}

function show(value: ParameterValue): string {
  return `\`${String(value).slice(0, 80)}\``;
}

function accept(value: ParameterValue): ParameterCheck {
  return { ok: true, value };
}

function refuse(code: string, message: string, cure: string): ParameterCheck {
  return { ok: false, code, message, cure };
}
