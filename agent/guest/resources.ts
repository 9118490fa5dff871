import { existsSync } from "node:fs";
import { join } from "node:path";
import { type HostResource, mapPlaceholders, resourcesOf } from "../../core/host-resources.ts";
import type { VmDefinition } from "../../core/vm.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { type HostValue, pathOf, textOf } from "../runtime/host-values.ts";
import { type Tap, tapOf } from "./taps.ts";

/** This host's value of each resource name, from its configuration. */
export type Resources = Readonly<Record<string, HostValue>>;

/** sun_path holds 108 bytes with its terminating zero (Linux, unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;

/**
 * Resources of the definition that this host does not have: the name, and what is wrong where the
 * name is known.
 */
export function missingResources(definition: VmDefinition, resources: Resources): string[] {
  return resourcesOf(definition).flatMap((wanted) => {
    const wrong = whyMissing(wanted, resources);
    return wrong === undefined ? [] : [`${wanted.$host}${wrong}`];
  });
}

function whyMissing({ $host, type, file }: HostResource, resources: Resources): string | undefined {
  const value = Object.hasOwn(resources, $host) ? resources[$host] : undefined;
  if (value === undefined) return type === undefined ? "" : ` of type ${type}`;
  const has = typeof value === "string" ? "no type" : `type ${value.type}`;
  if (type !== undefined && has !== `type ${type}`) return ` of type ${type} (it has ${has} here)`;
  if (file !== undefined && has !== "type folder" && has !== "no type") {
    return ` of type folder (it has ${has} here)`;
  }
  const path = pathOf(value);
  return path === undefined || existsSync(path) ? undefined : ` (${path} does not exist)`;
}

/** A definition with this host's values, and the taps that it needs. */
export type Resolved = { definition: VmDefinition; taps: Tap[] };

/**
 * The definition with this host's values in place of resource names, and paths in the guest's folder
 * in place of its files. Only for QEMU's command line: manifests and events have the placeholders,
 * which are valid on every host.
 *
 * @throws CommandRefusedError `refused`, naming every missing resource, or a socket whose path is too
 *   long
 */
export function resolveResources(
  definition: VmDefinition,
  resources: Resources,
  folder: string,
): Resolved {
  const missing = missingResources(definition, resources);
  if (missing.length > 0) {
    throw new CommandRefusedError(
      "refused",
      `This host has no resource ${missing.join(", ")}: name it in \`resources\` of its agent's configuration`,
    );
  }
  const taps: Tap[] = [];
  const netdevs = definition.netdevs?.map((netdev) => {
    const tap = tapOf(netdev, resources, folder);
    if (tap === undefined) return netdev;
    taps.push(tap.tap);
    return tap.netdev;
  });
  const withTaps = { ...definition, ...(netdevs === undefined ? {} : { netdevs }) };
  const resolved = mapPlaceholders(withTaps, {
    host: (resource) => valueFor(resource, resources),
    guest: (file) => fileIn(folder, file),
  });
  return { definition: resolved, taps };
}

function valueFor({ $host, file }: HostResource, resources: Resources): string {
  const value = resources[$host] ?? "";
  if (typeof value === "object" && value.type === "tap") {
    throw new CommandRefusedError(
      "refused",
      `Expected the tap ${$host} only as \`ifname\` of a netdev of type tap, got it elsewhere: correct the definition`,
    );
  }
  return file === undefined ? textOf(value) : join(textOf(value), file);
}

function fileIn(folder: string, name: string): string {
  const path = join(folder, name);
  const bytes = Buffer.byteLength(path);
  if (name.endsWith(".sock") && bytes > SOCKET_PATH_BYTES_MAX) {
    throw new CommandRefusedError(
      "refused",
      `Expected the path of a socket to have at most ${SOCKET_PATH_BYTES_MAX} bytes, got ${bytes} for ${path}: shorten the socket's name`,
    );
  }
  return path;
}
