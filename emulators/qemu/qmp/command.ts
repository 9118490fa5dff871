import { atLeast, isPresent, type Lifetime, type Version } from "../catalog/version.ts";
import type { Qemu } from "../qemu.ts";
import { isList, isObject, type Json, type JsonObject } from "./text.ts";

/** The type of an argument, by the names that QEMU's schema has for types. */
export type ArgumentType =
  | "str"
  | "bool"
  | "int"
  | "number"
  | "any"
  | "StrOrNull"
  | readonly string[]
  | { readonly list: ArgumentType }
  | { readonly members: Arguments };

export type Argument = Lifetime & {
  readonly type: ArgumentType;
  readonly optional?: true;
  /** It became optional with this release. */
  readonly optionalSince?: string;
  readonly unstable?: true;
};

export type Arguments = Readonly<Record<string, Argument>>;

/** An error answer of QMP. */
export class QmpError extends Error {
  override name = "QmpError";
  readonly errorClass: string;

  constructor(text: string, errorClass = "GenericError") {
    super(text);
    this.errorClass = errorClass;
  }
}

/** An answer that is given later; the main loop is blocked meanwhile. */
export class Later {
  readonly start: (answer: (result: Json | QmpError) => void) => void;

  constructor(start: (answer: (result: Json | QmpError) => void) => void) {
    this.start = start;
  }
}

export type Command = Lifetime & {
  /** `open`: any members are accepted (blockdev-add, device_add, object-add). */
  readonly arguments: Arguments | "open";
  readonly allowsOob?: true;
  /** Members of the answer that clients look for in the schema. */
  readonly returns?: Arguments;
  run(qemu: Qemu, given: JsonObject): Json | Later;
};

export type Commands = Readonly<Record<string, Command>>;

/**
 * Checks arguments as QEMU's generated code does.
 *
 * @throws QmpError
 */
export function checkArguments(version: Version, expected: Arguments, given: JsonObject): void {
  checkMembers(version, expected, given, "");
}

/** Whether it is optional in `version`. */
export function isOptional(version: Version, { optional, optionalSince }: Argument): boolean {
  if (optionalSince !== undefined) return atLeast(version, optionalSince);
  return optional === true;
}

function checkMembers(
  version: Version,
  expected: Arguments,
  given: JsonObject,
  prefix: string,
): void {
  for (const [name, argument] of Object.entries(expected)) {
    if (!isPresent(version, argument)) continue;
    const value = given[name];
    if (value !== undefined) checkType(version, `${prefix}${name}`, argument.type, value);
    else if (!isOptional(version, argument))
      throw new QmpError(`Parameter '${prefix}${name}' is missing`);
  }
  for (const name of Object.keys(given)) {
    const argument = expected[name];
    if (argument && isPresent(version, argument)) continue;
    throw new QmpError(`Parameter '${prefix}${name}' is unexpected`);
  }
}

const typeNames: Readonly<Record<string, string>> = {
  str: "string",
  bool: "boolean",
  int: "integer",
};

function checkType(version: Version, name: string, type: ArgumentType, value: Json): void {
  if (typeof type === "string") checkScalar(name, type, value);
  else if (isEnum(type)) checkEnum(name, type, value);
  else if ("list" in type) {
    if (!isList(value)) throw wrongType(name, "array");
    for (const [index, item] of value.entries()) {
      // QEMU has no name for the values of a list of words.
      const itemName = isEnum(type.list) ? "null" : `${name}[${index}]`;
      checkType(version, itemName, type.list, item);
    }
  } else {
    if (!isObject(value)) throw wrongType(name, "object");
    checkMembers(version, type.members, value, `${name}.`);
  }
}

function checkScalar(name: string, type: string, value: Json): void {
  const isFine =
    type === "any" ||
    (type === "str" && typeof value === "string") ||
    (type === "bool" && typeof value === "boolean") ||
    (type === "StrOrNull" && (typeof value === "string" || value === null)) ||
    (type === "int" && (typeof value === "bigint" || Number.isInteger(value))) ||
    (type === "number" && typeof value === "number");
  if (!isFine) throw wrongType(name, typeNames[type] ?? type);
}

function checkEnum(name: string, values: readonly string[], value: Json): void {
  if (typeof value !== "string") throw wrongType(name, "string");
  if (values.includes(value)) return;
  throw new QmpError(`Parameter '${name.split(".").at(-1)}' does not accept value '${value}'`);
}

function wrongType(name: string, expected: string): QmpError {
  return new QmpError(`Invalid parameter type for '${name}', expected: ${expected}`);
}

function isEnum(type: ArgumentType): type is readonly string[] {
  return Array.isArray(type);
}
