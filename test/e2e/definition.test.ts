import { mkdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { QmpClient } from "../../qmp/client.ts";
import { bootDiskDefinition, writeBootDisk } from "../../rig/guest/boot-disk.ts";
import { parseSerialLog, waitForCounter } from "../../rig/guest/serial.ts";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { WATCH_SOCKET, writeWatchedQemu } from "../../rig/watched-qemu.ts";
import { makeFiles } from "../definition/testing/start.ts";
import { PATIENCE_MS, qemu, Stage, unlessQemu } from "./testing/stage.ts";

const MIB = 2 ** 20;
const UUID = "6f1ed002-ab5e-4bcb-9d0f-1e1d1d1d1d1d";
const CONSOLE = "vm-console.log";
const file = (name: string) => ({ $host: "guests", type: "folder", file: name });
const ram = (id: string) => ({ "qom-type": "memory-backend-memfd", id, size: 32 * MIB });
const socket = (id: string) => ({
  id,
  backend: "socket",
  path: { $guest: `${id}.sock` },
  server: true,
  wait: false,
});

/** SeaBIOS in flash, so that the guest of the rig boots; UEFI differs in the files alone. */
const flash = [
  { driver: "raw", "node-name": "code", "read-only": true, file: onDisk("OVMF_CODE.fd", true) },
  { driver: "raw", "node-name": "nvram", file: onDisk("OVMF_VARS.fd", false) },
];

function onDisk(name: string, readOnly: boolean) {
  return { driver: "file", filename: file(name), "read-only": readOnly };
}

const wide = {
  machine: "pc",
  machineOptions: { vmport: "off" },
  acceleratorOptions: { "tb-size": 32 },
  cpuModel: `qemu64,${Array(40).fill("+ssse3,-svm").join(",")}`,
  cpus: 2,
  cpuTopology: { maxCpus: 4, sockets: 2, cores: 2, threads: 1 },
  memoryBytes: 64 * MIB,
  memory: { slots: 2, maxBytes: 256 * MIB },
  numa: [
    { type: "node", nodeid: 0, cpus: [0, 1], memdev: "ram0" },
    { type: "node", nodeid: 1, cpus: [2, 3], memdev: "ram1" },
    { type: "dist", src: 0, dst: 1, val: 20 },
  ],
  uuid: UUID,
  firmware: { code: "code", nvram: "nvram" },
  boot: { menu: false, strict: true },
  rtc: { base: "2030-01-02T03:04:05", clock: "vm", driftfix: "slew" },
  smbios: [{ type: 1, manufacturer: "Example, Inc.", serial: "1" }],
  actions: { shutdown: "pause", panic: "pause", watchdog: "none" },
  display: { type: "vnc" },
  serials: [{ chardev: "console" }, "log"],
  chardevs: [{ ...socket("console"), logfile: file(CONSOLE), logappend: true }, socket("qga")],
  netdevs: [
    {
      type: "stream",
      id: "net0",
      server: true,
      addr: { type: "unix", path: { $guest: "net0.sock" } },
    },
    { type: "user", id: "net1", restrict: true },
  ],
  objects: [ram("ram0"), ram("ram1"), { "qom-type": "iothread", id: "io0" }],
};

const devices = [
  { driver: "virtio-net-pci", id: "nic0", netdev: "net0", mac: "52:54:00:00:00:01" },
  { driver: "e1000", id: "nic1", netdev: "net1" },
  { driver: "virtio-serial-pci", id: "vser0" },
  { driver: "virtserialport", bus: "vser0.0", chardev: "qga", name: "org.qemu.guest_agent.0" },
  { driver: "VGA", id: "vga0" },
  { driver: "i6300esb", id: "watchdog0" },
  { driver: "pvpanic", id: "panic0" },
];

const { SWITCHYARD_QEMU_7_2: old, SWITCHYARD_QEMU_11_1: next } = process.env;
const pairs = [
  { title: "the installed QEMU", from: qemu, to: qemu, machine: "pc" },
  { title: "QEMU 7.2 and the installed one", from: old, to: qemu, machine: "pc-i440fx-7.2" },
  { title: "the installed QEMU and 11.1", from: qemu, to: next, machine: "pc-i440fx-10.0" },
];

for (const { title, from, to, machine } of pairs) {
  const here = from !== undefined && to !== undefined;
  const why = here ? "" : unlessQemu || " (skipped: not at hand)";

  describe.skipIf(!here)(`a guest of many parts, with ${title}${why}`, () => {
    let stage: Stage;
    let files = "";

    beforeAll(async () => {
      files = makeFiles(ownedFolder());
      const hosts = { "host-a": watched("qemu-a", from), "host-b": watched("qemu-b", to) };
      const resources = { guests: { type: "folder", path: files } };
      stage = await Stage.start({ hosts, agent: { resources } });
      await writeBootDisk(join(files, "boot.img"), load);
      const boot = bootDiskDefinition(join(files, "boot.img"));
      const [disk] = boot.devices;
      const definition = VmDefinition.parse({
        ...wide,
        machine,
        blockdevs: [...boot.blockdevs, ...flash],
        devices: [{ ...disk, iothread: "io0" }, ...devices],
      });
      await stage.fleet.startVm("vm", "host-a", definition);
      await counts(100);
    }, PATIENCE_MS);
    afterAll(async () => {
      await stage?.close();
      removeFolder(files);
    }, PATIENCE_MS);

    it.each(["host-b", "host-a"])(
      "moves to %s with all of them",
      async (target) => {
        const before = await operate(other(target), readMachine);
        expect(before).toMatchObject({ uuid: UUID, runState: "running", year: 2030 - 1900 });
        const ended = await stage.move("vm", target);
        expect(ended.agreement?.machineType).toMatch(/^pc-i440fx-/);
        const log = parseSerialLog(readFileSync(join(files, CONSOLE), "utf8"));
        await counts((log.counter ?? 0) + 50);
        expect(await operate(target, readMachine)).toEqual(before);
      },
      PATIENCE_MS,
    );

    it(
      "has its sockets in its folder on the host where it runs, and its history in one log",
      async () => {
        const folder = stage.fleet.guestFolder("host-a", "vm");
        expect(await greeting(join(folder, "vnc.sock"))).toMatch(/^RFB 003/);
        for (const name of ["console.sock", "qga.sock", "net0.sock"]) {
          await expect(open(join(folder, name))).resolves.toBeUndefined();
        }
        const log = parseSerialLog(readFileSync(join(files, CONSOLE), "utf8"));
        const counters = log.lines.map(({ counter }) => counter);
        expect(log.ready).toBe(true);
        expect(counters).toEqual(counters.toSorted((one, two) => one - two));
      },
      PATIENCE_MS,
    );

    function watched(name: string, binary = ""): string {
      const folder = join(files, name);
      mkdirSync(folder);
      writeWatchedQemu(join(folder, "qemu"), binary);
      return join(folder, "qemu");
    }

    async function counts(atLeast: number): Promise<void> {
      const last = await waitForCounter(join(files, CONSOLE), ({ counter }) => counter > atLeast, {
        timeoutMs: PATIENCE_MS,
      });
      expect(last.errors).toBe(0);
    }

    async function operate<T>(host: string, work: (qmp: QmpClient) => Promise<T>): Promise<T> {
      const path = join(stage.fleet.guestFolder(host, "vm"), WATCH_SOCKET);
      const qmp = await QmpClient.connect({ path });
      try {
        return await work(qmp);
      } finally {
        await qmp.close();
      }
    }
  });
}

const load = { dirtyBytesPerSecond: 4 * MIB, workingSetBytes: 4 * MIB };
const other = (host: string) => (host === "host-a" ? "host-b" : "host-a");

/** What of the parts QMP shows. */
async function readMachine(qmp: QmpClient) {
  const get = (path: string, property: string) => qmp.execute("qom-get", { path, property });
  const cpus = await qmp.execute("query-cpus-fast");
  const [chardevs, status, uuid, memory] = await Promise.all([
    qmp.execute("query-chardev"),
    qmp.execute("query-status"),
    qmp.execute("query-uuid"),
    qmp.execute("query-memory-size-summary"),
  ]);
  return {
    cpus: cpus.map(({ props }) => props),
    chardevs: chardevs.map(({ label }) => label).toSorted(),
    runState: status.status,
    uuid: uuid.UUID,
    memory,
    slots: await get("/machine", "memory"),
    flash: [await get("/machine", "pflash0"), await get("/machine", "pflash1")],
    cards: [
      await get("/machine/peripheral/nic0", "mac"),
      await get("/machine/peripheral/nic0", "netdev"),
      await get("/machine/peripheral/nic1", "netdev"),
    ],
    // The clock of the guest started in 2030 and runs on.
    year: Object(await get("/machine", "rtc-time")).tm_year,
  };
}

function open(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve();
    });
    socket.once("error", reject);
  });
}

function greeting(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("data", (data) => {
      socket.destroy();
      resolve(data.toString());
    });
    socket.once("error", reject);
  });
}
