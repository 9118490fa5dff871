import { listCapabilities } from "../catalog/capabilities.ts";
import { listParameters } from "../catalog/parameters.ts";
import { listStatuses } from "../catalog/statuses.ts";
import { atLeast, isPresent, type Version } from "../catalog/version.ts";
import { type Arguments, type ArgumentType, type Commands, isOptional } from "./command.ts";
import type { JsonObject } from "./text.ts";

/** Events that the model emits, and events whose presence clients check. */
const events = ["SHUTDOWN", "POWERDOWN", "RESET", "STOP", "RESUME", "UNPLUG_PRIMARY"];

type Builder = {
  readonly version: Version;
  readonly entries: JsonObject[];
  readonly known: Map<string, string>;
};

/**
 * Answers query-qmp-schema for the commands that the model has: enough to find members, values and
 * events. Types are numbered, as in QEMU.
 */
export function buildSchema(version: Version, commands: Commands): JsonObject[] {
  const builder: Builder = { version, entries: [], known: new Map() };
  const empty = addObject(builder, {});
  for (const [name, command] of Object.entries(commands)) {
    const given =
      name === "migrate-set-parameters" ? parameterArguments(version) : command.arguments;
    builder.entries.push({
      name,
      "ret-type": returnType(builder, name) ?? empty,
      "meta-type": "command",
      "arg-type": given === "open" ? empty : addObject(builder, given),
      ...(command.allowsOob ? { "allow-oob": true } : {}),
    });
  }
  for (const name of events) {
    builder.entries.push({ name, "meta-type": "event", "arg-type": empty });
  }
  const status = { status: { type: listStatuses(version) } };
  const pass = { pass: { type: "int" } } as const;
  builder.entries.push(
    { name: "MIGRATION", "meta-type": "event", "arg-type": addObject(builder, status) },
    { name: "MIGRATION_PASS", "meta-type": "event", "arg-type": addObject(builder, pass) },
  );
  if (atLeast(version, "9.1")) {
    builder.entries.push({ name: "VFIO_MIGRATION", "meta-type": "event", "arg-type": empty });
  }
  return builder.entries;
}

function returnType(builder: Builder, name: string): string | undefined {
  const { version } = builder;
  switch (name) {
    case "query-migrate":
      return addObject(builder, migrationInfo(version));
    case "query-migrate-capabilities":
      return addType(builder, {
        list: {
          members: {
            capability: { type: listCapabilities(version) },
            state: { type: "bool" },
          },
        },
      });
    case "query-migrate-parameters":
      return addObject(builder, parameterArguments(version));
    default:
      return undefined;
  }
}

function migrationInfo(version: Version): Arguments {
  const optional = { type: "any", optional: true } as const;
  const names = [
    "ram",
    "vfio",
    "xbzrle-cache",
    "total-time",
    "expected-downtime",
    "downtime",
    "setup-time",
    "cpu-throttle-percentage",
    "error-desc",
    "blocked-reasons",
    "postcopy-blocktime",
    "postcopy-vcpu-blocktime",
    "socket-address",
    ...(atLeast(version, "9.1") ? [] : ["disk", "compression"]),
    ...(atLeast(version, "8.1")
      ? ["dirty-limit-throttle-time-per-round", "dirty-limit-ring-full-time"]
      : []),
    ...(atLeast(version, "11.1") ? ["remaining"] : []),
  ];
  return {
    status: { type: listStatuses(version), optional: true },
    ...Object.fromEntries(names.map((name) => [name, optional])),
  };
}

function parameterArguments(version: Version): Arguments {
  const entries = listParameters(version).map(({ name, kind, values }) => {
    const type: ArgumentType =
      kind === "enum" ? values : kind === "bool" || kind === "int" ? kind : "any";
    return [name, { type, optional: true }] as const;
  });
  return Object.fromEntries(entries);
}

function addObject(builder: Builder, members: Arguments): string {
  const present = Object.entries(members).filter(([, member]) =>
    isPresent(builder.version, member),
  );
  return add(builder, {
    members: present.map(([name, member]) => ({
      name,
      ...(isOptional(builder.version, member) ? { default: null } : {}),
      type: addType(builder, member.type),
      ...(member.unstable ? { features: ["unstable"] } : {}),
    })),
    "meta-type": "object",
  });
}

function addType(builder: Builder, type: ArgumentType): string {
  if (typeof type === "string") return type;
  if (Array.isArray(type)) {
    return add(builder, {
      members: type.map((name: string) => ({ name })),
      "meta-type": "enum",
      values: [...(type as readonly string[])],
    });
  }
  const nested = type as { list: ArgumentType } | { members: Arguments };
  if ("members" in nested) return addObject(builder, nested.members);
  const element = addType(builder, nested.list);
  const name = `[${element}]`;
  if (!builder.known.has(name)) {
    builder.known.set(name, name);
    builder.entries.push({ name, "element-type": element, "meta-type": "array" });
  }
  return name;
}

function add(builder: Builder, entry: JsonObject): string {
  const key = JSON.stringify(entry);
  const known = builder.known.get(key);
  if (known !== undefined) return known;
  const name = String(builder.known.size);
  builder.known.set(key, name);
  builder.entries.push({ name, ...entry });
  return name;
}
