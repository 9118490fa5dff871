import { isIdle } from "../catalog/statuses.ts";
import { atLeast } from "../catalog/version.ts";
import { vfioProperties } from "../catalog/vfio-properties.ts";
import type { Device } from "../device.ts";
import type { Qemu } from "../qemu.ts";
import { type Commands, QmpError } from "../qmp/command.ts";
import { isObject, type Json, type JsonObject } from "../qmp/text.ts";
import { createVfioDevice, isVfio } from "../vfio.ts";
import { listCredentialTypes, makeCredentials } from "./credentials.ts";

const path = { path: { type: "str" } } as const;

const CPU_PATH = /^\/machine\/unattached\/device\[\d+\]$/;

const objectTypes = [
  "tls-creds-psk",
  "tls-creds-x509",
  "tls-creds-anon",
  "secret",
  "authz-simple",
  "authz-list",
  "iothread",
  "memory-backend-ram",
  "memory-backend-memfd",
  "memory-backend-file",
  "rng-random",
  "iommufd",
];

/** Objects, devices and their properties. */
export const objectCommands: Commands = {
  "object-add": { arguments: "open", run: (qemu, given) => addObject(qemu, given) },
  "object-del": {
    arguments: { id: { type: "str" } },
    run(qemu, { id }) {
      if (!qemu.objects.delete(String(id))) throw new QmpError(`object '${id}' not found`);
      return {};
    },
  },
  device_add: { arguments: "open", run: addDevice },
  device_del: { arguments: { id: { type: "str" } }, run: deleteDevice },
  "qom-list": { arguments: path, run: listPath },
  "qom-get": { arguments: { ...path, property: { type: "str" } }, run: getProperty },
  "qom-set": {
    arguments: { ...path, property: { type: "str" }, value: { type: "any" } },
    run: setProperty,
  },
  "qom-list-types": {
    arguments: {
      implements: { type: "str", optional: true },
      abstract: { type: "bool", optional: true },
    },
    run: listTypes,
  },
  "device-list-properties": { arguments: { typename: { type: "str" } }, run: listProperties },
};

/**
 * Handles object-add and -object.
 *
 * @throws QmpError
 */
export function addObject(qemu: Qemu, given: JsonObject): Json {
  const { "qom-type": type, id, ...properties } = given;
  if (typeof type !== "string") throw new QmpError("Parameter 'qom-type' is missing");
  if (typeof id !== "string") throw new QmpError("Parameter 'id' is missing");
  if (!objectTypes.includes(type)) {
    throw new QmpError(`Parameter 'qom-type' does not accept value '${type}'`);
  }
  if (qemu.objects.has(id)) {
    throw new QmpError(`attempt to add duplicate property '${id}' to object (type 'container')`);
  }
  const secret = makeCredentials(qemu, type, properties);
  qemu.objects.set(id, { type, properties, secret });
  return {};
}

/**
 * Adds a device of the command line or of device_add.
 *
 * @throws QmpError
 */
export function plugDevice(qemu: Qemu, device: Device): void {
  if (device.id !== undefined && qemu.devices.some(({ id }) => id === device.id)) {
    throw new QmpError(`Duplicate device ID '${device.id}'`);
  }
  if (
    isVfio(device) &&
    device.properties.host === undefined &&
    device.properties.sysfsdev === undefined
  ) {
    throw new QmpError(`No provided host device`);
  }
  qemu.devices.push(device);
  if (isVfio(device)) qemu.vfio.push(createVfioDevice(device, qemu.knobs, qemu.vfio.length));
}

function addDevice(qemu: Qemu, given: JsonObject): Json {
  const { driver, id, ...properties } = given;
  if (typeof driver !== "string") throw new QmpError("Parameter 'driver' is missing");
  if (!isIdle(qemu.outgoing.status)) throw new QmpError("device_add not allowed while migrating");
  if (
    !/-(pci|device|bus|kbd|tablet|hub)(-|$)|^(vfio-pci|nvme|e1000|usb-|scsi-|ide-)/.test(driver)
  ) {
    throw new QmpError(`'${driver}' is not a valid device model name`);
  }
  plugDevice(qemu, { driver, id: typeof id === "string" ? id : undefined, properties });
  return {};
}

function deleteDevice(qemu: Qemu, { id }: JsonObject): Json {
  const index = qemu.devices.findIndex((device) => device.id === id);
  if (index < 0) throw new QmpError(`Device '${id}' not found`, "DeviceNotFound");
  const [device] = qemu.devices.splice(index, 1);
  const vfioIndex = qemu.vfio.findIndex((vfio) => vfio.device === device);
  if (vfioIndex >= 0) qemu.vfio.splice(vfioIndex, 1);
  return {};
}

function listPath(qemu: Qemu, given: JsonObject): Json {
  const type = { name: "type", type: "string" };
  const child = (name: string, device: Device): JsonObject => ({
    name,
    type: `child<${device.driver}>`,
  });
  switch (String(given.path)) {
    case "/machine":
      return [type, { name: "memory", type: "MemorySizeConfiguration" }];
    case "/machine/peripheral":
      return [
        type,
        ...qemu.devices.flatMap((device) =>
          device.id === undefined ? [] : [child(device.id, device)],
        ),
      ];
    case "/machine/peripheral-anon":
      return [type, ...anonymous(qemu).map((device, index) => child(`device[${index}]`, device))];
    case "/objects":
      return [
        type,
        ...[...qemu.objects].map(([name, object]) => ({ name, type: `child<${object.type}>` })),
      ];
    default: {
      if (CPU_PATH.test(String(given.path))) return [type];
      const device = findDevice(qemu, String(given.path));
      if (!device) throw notFound(String(given.path));
      return [
        type,
        ...vfioProperties(qemu.version).map(({ name, type: kind }) => ({ name, type: kind })),
      ];
    }
  }
}

function getProperty(qemu: Qemu, given: JsonObject): Json {
  const property = String(given.property);
  const where = String(given.path);
  const own = readKnown(qemu, where, property);
  if (own !== undefined) return own;
  const device = findDevice(qemu, where);
  if (!device) {
    if (where !== "/machine") throw notFound(where);
    throw new QmpError(`Property '${qemu.machineType.name}-machine.${property}' not found`);
  }
  if (property === "type") return device.driver;
  const value = device.properties[property] as Json;
  const known = vfioProperties(qemu.version).find(({ name }) => name === property);
  if (value === undefined && (!isVfio(device) || !known)) {
    throw new QmpError(`Property '${device.driver}.${property}' not found`);
  }
  if (value === undefined) return compatDefault(qemu, property) ?? known?.["default-value"] ?? "";
  // On the command line all values are texts.
  return known?.type === "bool" && typeof value === "string" ? value === "on" : value;
}

function readKnown(qemu: Qemu, where: string, property: string): Json {
  if (where === "/machine") {
    if (property === "type") return `${qemu.machineType.name}-machine`;
    if (property === "memory") return { size: qemu.options.memoryBytes };
    return undefined;
  }
  if (!CPU_PATH.test(where)) return undefined;
  if (property === "unavailable-features") return [...qemu.knobs.unavailableFeatures];
  return property === "type" ? `${qemu.options.cpuModel ?? "qemu64"}-x86_64-cpu` : undefined;
}

function compatDefault(qemu: Qemu, property: string): string | undefined {
  return qemu.compat.find(
    (entry) => entry["qom-type"] === "vfio-pci" && entry.property === property,
  )?.value;
}

function setProperty(qemu: Qemu, given: JsonObject): Json {
  const device = findDevice(qemu, String(given.path));
  if (!device) throw notFound(String(given.path));
  const property = String(given.property);
  if (isVfio(device) && property === "x-migration-multifd-transfer") {
    (device.properties as Record<string, unknown>)[property] = given.value;
    return {};
  }
  throw new QmpError(
    `Attempt to set property '${property}' on device '${device.id ?? ""}' ` +
      `(type '${device.driver}') after it was realized`,
  );
}

function listTypes(qemu: Qemu, given: JsonObject): Json {
  const credentials = listCredentialTypes(String(given.implements), given.abstract === true);
  if (credentials !== undefined) return [...credentials];
  if (given.implements !== "vfio-pci") {
    return given.implements === undefined ? [{ name: "device", parent: "object" }] : [];
  }
  const parent = atLeast(qemu.version, "11.1") ? "vfio-pci-device" : "pci-device";
  return [
    { name: "vfio-pci-nohotplug", parent: "vfio-pci" },
    { name: "vfio-pci", parent },
  ];
}

function listProperties(qemu: Qemu, { typename }: JsonObject): Json {
  if (typename === "vfio-pci" || typename === "vfio-pci-nohotplug")
    return [...vfioProperties(qemu.version)];
  throw new QmpError(`Device '${typename}' not found`, "DeviceNotFound");
}

function findDevice(qemu: Qemu, where: string): Device | undefined {
  const named = /^\/machine\/peripheral\/([^/]+)$/.exec(where)?.[1];
  if (named !== undefined) return qemu.devices.find(({ id }) => id === named);
  const index = /^\/machine\/peripheral-anon\/device\[(\d+)\]$/.exec(where)?.[1];
  return index === undefined ? undefined : anonymous(qemu)[Number(index)];
}

function anonymous(qemu: Qemu): Device[] {
  return qemu.devices.filter(({ id }) => id === undefined);
}

function notFound(where: string): QmpError {
  return new QmpError(`Device '${where}' not found`, "DeviceNotFound");
}

/**
 * Adds the objects and devices of the command line.
 *
 * @throws QmpError
 */
export function applyCommandLine(qemu: Qemu): void {
  for (const object of qemu.options.objects) if (isObject(object)) addObject(qemu, object);
  for (const device of qemu.options.devices) plugDevice(qemu, device);
}
