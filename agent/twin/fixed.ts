import type { Properties } from "../../core/twin/reading.ts";
import { isRead } from "../../core/twin/rules.ts";
import type { QmpClient } from "../../qmp/client.ts";
import type { Manifest } from "../guest/manifest.ts";
import { cpuFeatures } from "./cpus.ts";
import { readProperties } from "./properties.ts";

/** What cannot change while a process lives. */
type Fixed = { readonly machine: Properties; readonly firstCpu: Properties };

/** A guest, as far as it is read. What is known of it is kept by its identity. */
export type TwinGuest = {
  readonly qmp: QmpClient;
  readonly manifest: Pick<Manifest, "pid" | "definition" | "images">;
  /** The file that the agent has started it from. */
  readonly binary?: string | undefined;
};

const fixedOf = new WeakMap<object, Promise<Fixed>>();

/**
 * Reads what cannot change while the process lives: machine properties, the vCPUs' features. These are
 * most of the calls, so each process is read once, and of equal machines only the first one
 * (ADR 46).
 *
 * @throws QmpError: it may be called again
 */
export function readFixed(guest: TwinGuest): Promise<Fixed> {
  const known = fixedOf.get(guest);
  if (known) return known;
  const fixed = read(guest);
  fixedOf.set(guest, fixed);
  fixed.catch(() => fixedOf.delete(guest));
  return fixed;
}

async function read(guest: TwinGuest): Promise<Fixed> {
  const { qmp, manifest } = guest;
  const shape = shapeOf(guest);
  const isTcg = manifest.definition.accelerator === "tcg";
  const [{ UUID: uuid }, machine, firstCpu] = await Promise.all([
    qmp.execute("query-uuid"),
    keep("machine", shape, () => readMachine(qmp)),
    // What KVM offers is the kernel's to change, with its module's parameters.
    isTcg ? keep("vCPU", shape, () => readFirstCpu(qmp)) : readFirstCpu(qmp),
  ]);
  return { machine: { ...machine, uuid }, firstCpu };
}

async function readMachine(qmp: QmpClient): Promise<Properties> {
  const [type, properties] = await Promise.all([
    qmp.execute("qom-get", { path: "/machine", property: "type" }),
    readProperties(qmp, "/machine", (name) => isRead("machine", name)),
  ]);
  return { ...properties, type: String(type) };
}

async function readFirstCpu(qmp: QmpClient): Promise<Properties> {
  const [[first], kvm] = await Promise.all([
    qmp.execute("query-cpus-fast"),
    qmp.execute("query-kvm"),
  ]);
  const path = first?.["qom-path"];
  return path === undefined ? {} : await cpuFeatures(qmp, path, kvm.enabled);
}

/**
 * What decides a machine's fixed properties: QEMU's file and version, and the definition but for what
 * is plugged into the machine. Undefined where the agent has not written the command line, or does
 * not know which file the process was started from.
 */
function shapeOf({ qmp, manifest, binary }: TwinGuest): string | undefined {
  if (binary === undefined) return undefined;
  const { uuid, blockdevs, devices, netdevs, chardevs, serials, ...machine } = manifest.definition;
  return JSON.stringify([binary, qmp.version, machine]);
}

/** Readings of this host's earlier processes, by what was read and of which shape; newest last. */
const kept = new Map<string, Properties>();
const KEPT_MAX = 200;

async function keep(
  what: "machine" | "vCPU",
  shape: string | undefined,
  readNow: () => Promise<Properties>,
): Promise<Properties> {
  if (shape === undefined) return readNow();
  const key = `${what} ${shape}`;
  const properties = kept.get(key) ?? (await readNow());
  kept.delete(key);
  kept.set(key, properties);
  const [oldest] = kept.keys();
  if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
  return properties;
}
