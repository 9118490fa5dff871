import { setTimeout as delay } from "node:timers/promises";
import type { LiveChange, MediumChange, PciAddress } from "../../core/definition/live-change.ts";
import type { VmDefinition } from "../../core/vm.ts";
import type { QmpClient } from "../../qmp/client.ts";
import type { BlockDevice } from "../../qmp/device.ts";
import { QmpCommandError } from "../../qmp/error.ts";
import { CommandRefusedError } from "../command/command-error.ts";
import { propertyOf } from "./qom-property.ts";
import { makeTaps, raiseTaps, removeTaps, type Tap } from "./taps.ts";

/** A guest that does not release a device by then may do so later: the request is repeated. */
const UNPLUG_MS = 8_000;
const LOOK_MS = 50;
const PERIPHERAL = "/machine/peripheral";

export type LiveGuest = {
  readonly qmp: QmpClient;
  readonly vm: string;
  /** The new definition with this host's values, for QEMU. */
  readonly resolved: VmDefinition;
  /** Taps of networks that come, and names of those that go. */
  readonly taps: {
    readonly made: readonly { readonly netdev: string; readonly tap: Tap }[];
    readonly removed: readonly string[];
  };
  /** Opens a tray that the guest has locked. */
  readonly force: boolean;
};

/** How a change that was done is undone, and finished. */
export type Changed = {
  /** What came goes again, and media are put back. Devices that were unplugged stay so. */
  readonly undo: () => Promise<void>;
  /** Removes the parts that nothing uses any more. */
  readonly finish: () => Promise<void>;
};

/**
 * Does to a guest what its new definition needs. What is done already is left: a request that was
 * interrupted is repeated. After a failure everything is as before.
 *
 * @throws CommandRefusedError `qemu` or `refused`
 */
export async function changeLive(guest: LiveGuest, change: LiveChange): Promise<Changed> {
  const steps = new Steps(guest);
  try {
    await steps.addParts(change);
    for (const medium of change.media) {
      await steps.takeMedium(medium);
      await steps.putMedium(medium);
    }
    for (const index of change.added.devices) await steps.plug(index);
    for (const id of change.unplugged) await steps.unplug(id);
    return { undo: () => steps.undo(), finish: () => steps.removeParts(change) };
  } catch (error) {
    await steps.undo();
    if (!(error instanceof QmpCommandError)) throw error;
    throw new CommandRefusedError("qemu", `QEMU refused ${error.command}: ${error.desc}`, {
      cause: error,
    });
  }
}

/** The PCI addresses of devices that have an id, and no address of their own. */
export async function addressesOf(
  qmp: QmpClient,
  devices: VmDefinition["devices"],
): Promise<Record<string, PciAddress>> {
  const found: Record<string, PciAddress> = {};
  for (const { id, addr } of devices) {
    if (typeof id !== "string" || addr !== undefined) continue;
    const path = `${PERIPHERAL}/${id}`;
    // Only PCI devices have it; QEMU gives slot and function as one number.
    const devfn = await propertyOf(qmp, path, "addr");
    const bus = await propertyOf(qmp, path, "parent_bus");
    if (typeof bus !== "string" || typeof devfn !== "number" || devfn < 0) continue;
    const slot = (devfn >> 3).toString(16).padStart(2, "0");
    found[id] = { bus: bus.slice(bus.lastIndexOf("/") + 1), addr: `${slot}.${devfn & 7}` };
  }
  return found;
}

/** The steps of one change, and how those done are undone. */
class Steps {
  readonly #guest: LiveGuest;
  readonly #undo: (() => Promise<unknown>)[] = [];

  constructor(guest: LiveGuest) {
    this.#guest = guest;
  }

  async undo(): Promise<void> {
    for (const step of this.#undo.splice(0).toReversed()) await step().catch(() => undefined);
  }

  async takeMedium({ device: id, node, old }: MediumChange): Promise<void> {
    const { qmp, force } = this.#guest;
    const inserted = await this.#inserted(id);
    if (inserted === undefined || inserted === node) return;
    await qmp.executeAny("blockdev-open-tray", { id, force });
    if (!(await this.#isOpen(id))) {
      throw new CommandRefusedError(
        "refused",
        `The guest ${this.#guest.vm} has locked the tray of ${id}: eject the medium in the guest, or repeat with \`force\``,
      );
    }
    await qmp.executeAny("blockdev-remove-medium", { id });
    if (old === undefined) return;
    this.#undo.push(async () => {
      await qmp.executeAny("blockdev-insert-medium", { id, "node-name": old });
      await qmp.executeAny("blockdev-close-tray", { id });
    });
  }

  async putMedium({ device: id, node }: MediumChange): Promise<void> {
    const { qmp } = this.#guest;
    if (node !== undefined && (await this.#inserted(id)) === undefined) {
      await qmp.executeAny("blockdev-open-tray", { id, force: this.#guest.force });
      await qmp.executeAny("blockdev-insert-medium", { id, "node-name": node });
      this.#undo.push(async () => {
        await qmp.executeAny("blockdev-open-tray", { id, force: true });
        await qmp.executeAny("blockdev-remove-medium", { id });
      });
    }
    await qmp.executeAny("blockdev-close-tray", { id });
  }

  async unplug(id: string): Promise<void> {
    const { qmp, vm } = this.#guest;
    if (!(await this.#devices()).has(id)) return;
    let refused: string | undefined;
    await qmp.execute("device_del", { id }).catch((error: unknown) => {
      // One that the guest has not released yet cannot be asked for again.
      if (!(error instanceof QmpCommandError)) throw error;
      refused = error.desc;
    });
    const deadline = performance.now() + UNPLUG_MS;
    while ((await this.#devices()).has(id)) {
      if (performance.now() < deadline) {
        await delay(LOOK_MS);
        continue;
      }
      throw new CommandRefusedError(
        "refused",
        `The guest ${vm} has not released device ${id} within ${UNPLUG_MS} ms${refused ? ` (${refused})` : ""}: repeat the request when it has`,
      );
    }
  }

  async removeParts({ removed }: LiveChange): Promise<void> {
    const { qmp, taps } = this.#guest;
    const nodes = await this.#nodes();
    for (const node of removed.blockdevs.filter((name) => nodes.has(name))) {
      await qmp.execute("blockdev-del", { "node-name": node });
    }
    // No query tells which networks there are: one that is gone already is told by the refusal.
    for (const id of removed.netdevs) await ignoreRefusal(qmp.executeAny("netdev_del", { id }));
    const objects = await this.#objects();
    for (const id of removed.objects.filter((name) => objects.has(name))) {
      await qmp.execute("object-del", { id });
    }
    await removeTaps(taps.removed);
  }

  async addParts({ added }: LiveChange): Promise<void> {
    const { qmp, resolved } = this.#guest;
    const objects = await this.#objects();
    for (const part of pick(resolved.objects, added.objects)) {
      if (objects.has(String(part.id))) continue;
      await qmp.executeAny("object-add", part);
      this.#undo.push(() => qmp.execute("object-del", { id: String(part.id) }));
    }
    await this.#addNetworks(pick(resolved.netdevs ?? [], added.netdevs));
    const nodes = await this.#nodes();
    for (const part of pick(resolved.blockdevs, added.blockdevs)) {
      const name = String(part["node-name"]);
      if (nodes.has(name)) continue;
      await qmp.executeAny("blockdev-add", part);
      this.#undo.push(() => qmp.execute("blockdev-del", { "node-name": name }));
    }
  }

  async #addNetworks(netdevs: readonly { readonly id?: unknown }[]): Promise<void> {
    const { qmp, resolved, taps } = this.#guest;
    const plugged = await this.#devices();
    const used = resolved.devices
      .filter(({ id }) => plugged.has(String(id)))
      .map((device) => device.netdev);
    for (const netdev of netdevs) {
      const id = String(netdev.id);
      if (used.includes(id)) continue;
      // Of a request that was interrupted: no query tells whether it is there, and nothing uses it.
      await ignoreRefusal(qmp.executeAny("netdev_del", { id }));
      const tap = taps.made.find((one) => one.netdev === id)?.tap;
      if (tap !== undefined) {
        await removeTaps([tap.name]);
        await makeTaps([tap]);
        this.#undo.push(() => removeTaps([tap.name]));
      }
      await qmp.executeAny("netdev_add", netdev);
      this.#undo.push(() => qmp.executeAny("netdev_del", { id }));
      if (tap !== undefined) await raiseTaps([tap.name]);
    }
  }

  async plug(index: number): Promise<void> {
    const { qmp, resolved } = this.#guest;
    const [device = {}] = pick(resolved.devices, [index]);
    const id = String(device.id);
    if ((await this.#devices()).has(id)) return;
    await qmp.executeAny("device_add", device);
    this.#undo.push(() => this.unplug(id));
  }

  async #devices(): Promise<Set<string>> {
    const listed = await this.#guest.qmp.execute("qom-list", { path: PERIPHERAL });
    return new Set(listed.filter(({ type }) => type.startsWith("child<")).map(({ name }) => name));
  }

  async #objects(): Promise<Set<string>> {
    const listed = await this.#guest.qmp.execute("qom-list", { path: "/objects" });
    return new Set(listed.map(({ name }) => name));
  }

  async #nodes(): Promise<Set<string | undefined>> {
    const nodes = await this.#guest.qmp.execute("query-named-block-nodes", { flat: true });
    return new Set(nodes.map((node) => node["node-name"]));
  }

  /** The node in a drive; undefined: it is empty. */
  async #inserted(id: string): Promise<string | undefined> {
    const { inserted } = await this.#drive(id);
    return inserted === undefined ? undefined : (inserted["node-name"] ?? "");
  }

  /** A drive without a tray counts as open. */
  async #isOpen(id: string): Promise<boolean> {
    return (await this.#drive(id)).tray_open !== false;
  }

  async #drive(id: string): Promise<BlockDevice> {
    const { qmp, vm } = this.#guest;
    const drives = await qmp.execute("query-block");
    const drive = drives.find(
      ({ qdev }) => qdev === id || String(qdev).startsWith(`${PERIPHERAL}/${id}/`),
    );
    if (drive?.removable === true) return drive;
    const what = drive === undefined ? "no drive" : "a disk that cannot be removed";
    throw new CommandRefusedError(
      "refused",
      `Expected ${id} of ${vm} to be a drive with a medium, it is ${what}`,
    );
  }
}

function pick<T>(parts: readonly T[], indices: readonly number[]): T[] {
  return indices.flatMap((index) => parts[index] ?? []);
}

async function ignoreRefusal(executing: Promise<unknown>): Promise<void> {
  await executing.catch((error: unknown) => {
    if (!(error instanceof QmpCommandError)) throw error;
  });
}
