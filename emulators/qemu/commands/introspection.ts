import { listCompatProperties, listMachineTypes } from "../catalog/machine-types.ts";
import { atLeast } from "../catalog/version.ts";
import { canYank, yankMigration } from "../migration/cancelling.ts";
import type { Qemu } from "../qemu.ts";
import { type Commands, QmpError } from "../qmp/command.ts";
import { isList, type Json, type JsonObject } from "../qmp/text.ts";

/** Commands that describe the process. */
export const introspectionCommands: Commands = {
  "query-version": {
    arguments: {},
    run: ({ version: { major, minor, micro, package: text } }) => ({
      qemu: { micro, minor, major },
      package: text,
    }),
  },
  "query-name": {
    arguments: {},
    run: ({ options: { name } }) => (name === undefined ? {} : { name }),
  },
  "query-uuid": { arguments: {}, run: ({ options: { uuid } }) => ({ UUID: uuid }) },
  "query-kvm": {
    arguments: {},
    run: ({ options }) => ({ enabled: options.accelerator === "kvm", present: true }),
  },
  "query-target": { arguments: {}, run: () => ({ arch: "x86_64" }) },
  "query-cpus-fast": { arguments: {}, run: (qemu) => cpus(qemu, true) },
  "query-hotpluggable-cpus": {
    arguments: {},
    run: (qemu) => cpus(qemu, false),
  },
  "query-memory-size-summary": {
    arguments: {},
    run: ({ options }) => ({ "base-memory": options.memoryBytes, "plugged-memory": 0 }),
  },
  "query-memory-devices": { arguments: {}, run: () => [] },
  "query-iothreads": { arguments: {}, run: () => [] },
  "query-current-machine": {
    arguments: {},
    run: () => ({ "wakeup-suspend-support": true }),
  },
  "query-chardev": {
    arguments: {},
    run: ({ options }) => [
      ...options.monitors.map(({ id, path }) => ({
        "frontend-open": true,
        filename: `unix:${path},server=on`,
        label: id,
      })),
      ...(options.serialFile === undefined
        ? []
        : [{ "frontend-open": true, filename: "file", label: "serial0" }]),
    ],
  },
  "query-machines": {
    arguments: { "compat-props": { type: "bool", optional: true, since: "9.1", unstable: true } },
    run: queryMachines,
  },
  "query-cpu-definitions": { arguments: {}, run: cpuDefinitions },
  "query-cpu-model-expansion": {
    arguments: {
      type: { type: ["static", "full"] },
      model: {
        type: { members: { name: { type: "str" }, props: { type: "any", optional: true } } },
      },
    },
    run: (_qemu, { type, model }) => ({
      model: {
        name: type === "static" ? "base" : (model as JsonObject).name,
        props: { sse2: true, vmx: false },
      },
    }),
  },
  "query-yank": { arguments: {}, allowsOob: true, run: queryYank },
  yank: {
    arguments: { instances: { type: { list: "any" } } },
    allowsOob: true,
    run: yank,
  },
  "announce-self": { arguments: "open", run: () => ({}) },
  "query-pci": { arguments: {}, run: () => [{ bus: 0, devices: [] }] },
};

const cpuModels = [
  "max",
  "host",
  "base",
  "qemu64",
  "kvm64",
  "Nehalem",
  "Westmere",
  "SandyBridge",
  "IvyBridge",
  "Haswell",
  "Broadwell",
  "Skylake-Client",
  "Skylake-Server",
  "Cascadelake-Server",
  "Icelake-Server",
  "SapphireRapids",
  "GraniteRapids",
  "EPYC",
  "EPYC-Rome",
  "EPYC-Milan",
  "EPYC-Genoa",
];

function cpuDefinitions(qemu: Qemu): Json {
  return cpuModels.map((name) => ({
    name,
    typename: `${name}-x86_64-cpu`,
    "unavailable-features": [
      ...qemu.knobs.unavailableFeatures,
      ...(name === "host" && qemu.options.accelerator === "tcg" ? ["kvm"] : []),
    ],
    static: name === "base",
    "migration-safe": name !== "max" && name !== "host",
    deprecated: false,
  }));
}

function cpus(qemu: Qemu, isFast: boolean): Json {
  const type = `${qemu.options.cpuModel ?? "qemu64"}-x86_64-cpu`;
  return Array.from({ length: qemu.options.cpus }, (_, index) => {
    const props = { "core-id": index, "thread-id": 0, "socket-id": 0 };
    const path = `/machine/unattached/device[${index}]`;
    return isFast
      ? {
          "thread-id": qemu.host.pid + 1 + index,
          ...(atLeast(qemu.version, "11.0") ? { "qom-type": type } : {}),
          props,
          "qom-path": path,
          "cpu-index": index,
          target: "x86_64",
        }
      : { props, "vcpus-count": 1, "qom-path": path, type };
  });
}

function queryMachines(qemu: Qemu, given: JsonObject): Json {
  const { version } = qemu;
  return listMachineTypes(version).map((type) => ({
    "hotpluggable-cpus": type.release !== undefined,
    name: type.name,
    ...(given["compat-props"] === true
      ? { "compat-props": listCompatProperties(version, type) }
      : {}),
    "numa-mem-supported": !atLeast(version, "5.1"),
    "default-cpu-type": "qemu64-x86_64-cpu",
    ...(atLeast(version, "8.0") ? { acpi: type.release !== undefined } : {}),
    "cpu-max": type.cpuMax,
    deprecated: type.isDeprecated,
    "default-ram-id": "pc.ram",
    ...(type.alias === undefined ? {} : { alias: type.alias }),
    ...(type.isDefault ? { "is-default": true } : {}),
  }));
}

function queryYank(qemu: Qemu): Json {
  const chardevs = qemu.options.monitors.map(({ id }) => ({ type: "chardev", id }));
  return [...chardevs, ...(canYank(qemu) ? [{ type: "migration" }] : [])];
}

function yank(qemu: Qemu, { instances }: JsonObject): Json {
  const list = isList(instances) ? (instances as readonly JsonObject[]) : [];
  for (const { type } of list) {
    if (type === "migration" && canYank(qemu)) continue;
    throw new QmpError("Instance not found", "DeviceNotFound");
  }
  if (list.length > 0) yankMigration(qemu);
  return {};
}
