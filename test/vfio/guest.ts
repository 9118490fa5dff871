import { VmDefinition } from "../../core/vm.ts";
import { waitUntil } from "../../rig/wait-until.ts";
import { type HostName, SOURCE, type VfioFleet } from "./fleet.ts";

const MIB = 2 ** 20;
const BOOT_MS = 60_000;
/** The guest writes 18 lines a second. */
const LINES = 3;

/**
 * The rig's guest with some mtty devices, by the names of host resources. Each host opens the same
 * image without a lock, as the guest never writes it.
 */
export function guestDefinition(resources: readonly string[]): VmDefinition {
  return VmDefinition.parse({
    machine: "pc",
    // Every device costs downtime when code runs through two emulators, and so does the description
    // of the stream, which is for analysis only.
    machineOptions: {
      acpi: false,
      usb: false,
      hpet: false,
      i8042: false,
      smbus: false,
      vmport: false,
      "suppress-vmdesc": true,
    },
    memoryBytes: 32 * MIB,
    blockdevs: [{ driver: "file", "node-name": "boot", filename: "/guest.img", locking: "off" }],
    devices: [
      { driver: "ide-hd", drive: "boot" },
      ...resources.map((name, index) => ({
        driver: "vfio-pci",
        id: `vf${index}`,
        sysfsdev: { $host: name },
        "enable-migration": "on",
        // The kernel of L1 has no IOMMUFD, so the device's own dirty log is of no use.
        "x-device-dirty-page-tracking": "off",
      })),
    ],
  });
}

/** One guest over one migration: its output before and after is one unbroken count. */
export class RigGuest {
  readonly vm: string;
  readonly #fleet: VfioFleet;

  private constructor(fleet: VfioFleet, vm: string) {
    this.#fleet = fleet;
    this.vm = vm;
  }

  /** Starts it on the source, over the API, and waits until it counts. */
  static async start(
    fleet: VfioFleet,
    vm: string,
    resources: readonly string[],
  ): Promise<RigGuest> {
    await fleet.cloud.startVm(vm, SOURCE, guestDefinition(resources));
    const guest = new RigGuest(fleet, vm);
    await guest.#waitForLines(guest.#path(SOURCE), LINES);
    // Kept by a second link: the agent removes the source's folder.
    await fleet.shell(`mkdir -p /tmp/serial && ln ${guest.#path(SOURCE)} ${guest.#kept()}`);
    return guest;
  }

  /** Waits until it continues to count on the host. */
  async waitUntilRunning(host: HostName): Promise<void> {
    const before = (await this.#read(this.#path(host))).split("\n").length;
    await this.#waitForLines(this.#path(host), before + LINES);
  }

  /**
   * @throws Error when a line is missing between the source's last and the target's first, or when
   *   the device's counter does not follow the memory's: something of the state has not moved.
   */
  async checkCount(target: HostName | undefined): Promise<number> {
    const after = target === undefined ? "" : await this.#read(this.#path(target));
    const lines = ((await this.#read(this.#kept())) + after).split("\n").slice(0, -1);
    for (const [index, line] of lines.entries()) {
      const n = index + 1;
      const expected = `counter=${n} device=${n % 65_536}`;
      if (line !== expected)
        throw new Error(`Expected the guest to write ${expected}, got ${line}`);
    }
    return lines.length;
  }

  /** Ends it over the API, wherever it runs, and deletes its record. */
  async end(): Promise<void> {
    const { api } = this.#fleet;
    await api.deleteVm(this.vm, { mode: "quit" });
    await waitUntil(`the end of ${this.vm}`, async () => {
      const { state } = await api.getVm(this.vm);
      return state === "stopped" || state === "failed" ? true : undefined;
    });
    await api.deleteVm(this.vm);
  }

  #path(host: HostName): string {
    return `${this.#fleet.guestFolder(host, this.vm)}/serial.log`;
  }

  #kept(): string {
    return `/tmp/serial/${this.vm}`;
  }

  async #read(path: string): Promise<string> {
    return await this.#fleet.l1.readFile(path).catch(() => "");
  }

  async #waitForLines(path: string, count: number): Promise<void> {
    const written = async () => {
      const lines = (await this.#read(path)).split("\n").length;
      return lines > count ? true : undefined;
    };
    await waitUntil(`${count} lines of ${this.vm}`, written, { timeoutMs: BOOT_MS, everyMs: 50 });
  }
}
