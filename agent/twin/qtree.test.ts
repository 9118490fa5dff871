import { describe, expect, it } from "vitest";
import { parseNetworkPeers } from "./network-peers.ts";
import { parseQtree } from "./qtree.ts";
import { parseRamBlocks } from "./ram-blocks.ts";

/** Cut from the output of QEMU 10.0.2. */
const QTREE = `bus: main-system-bus
  type System
  dev: ioapic, id ""
    gpio-in "" 24
    version = 32 (0x20)
    mmio 00000000fec00000/0000000000001000
  dev: i440FX-pcihost, id ""
    pci-hole64-size = 2147483648 (2 GiB)
    bus: pci.0
      type PCI
      dev: qemu-xhci, id "usb"
        addr = 09.0
        romfile = ""
        rombar = -1 (0xffffffffffffffff)
        class USB controller, addr 00:09.0, pci id 1b36:000d (sub 1af4:1100)
        bar 0: mem at 0xffffffffffffffff [0x3ffe]
        bus: usb.0
          type usb-bus
          dev: usb-tablet, id "tablet"
            port = ""
            attached = true
            addr 0.1, port 1, speed 480, name QEMU USB Tablet, attached
      dev: virtio-blk-pci, id "v1"
        addr = 03.0
        bus: virtio-bus
          type virtio-pci-bus
          dev: virtio-blk-device, id ""
            drive = "n1"
            ebpf = <null>
      dev: piix3-ide, id ""
        addr = 01.1
        bus: ide.1
          type IDE
          dev: ide-cd, id "cd0"
            unit = 0 (0x0)
        bus: ide.0
          type IDE
          dev: ide-hd, id ""
            unit = 1 (0x1)
      dev: virtio-scsi-pci, id "s0"
        addr = 05.0
        bus: s0.0
          type SCSI
          dev: scsi-hd, id ""
            channel = 0 (0x0)
            scsi-id = 2 (0x2)
            lun = 1 (0x1)
      dev: PIIX3, id ""
        addr = 01.0
        bus: isa.0
          type ISA
          dev: isa-serial, id "second"
            iobase = 760 (0x2f8)
          dev: isa-serial, id "first"
            iobase = 1016 (0x3f8)
          dev: port92, id ""
            i8042 = "/machine/unattached/device[11]"
            rng = "/machine/peripheral-anon/device[3]/virtio-backend/default-backend"
`.replaceAll("\n", "\r\n");

describe("parseQtree", () => {
  const devices = parseQtree(QTREE);
  const at = (place: string) => devices.find((device) => device.place === place);

  it("names each device by its place", () => {
    expect(devices.map(({ place, type, id }) => `${place} ${type} ${id}`).sort()).toEqual(
      [
        "ioapic ioapic ",
        "i440FX-pcihost i440FX-pcihost ",
        "i440FX-pcihost/09.0 qemu-xhci usb",
        "i440FX-pcihost/09.0/port 1 usb-tablet tablet",
        "i440FX-pcihost/03.0 virtio-blk-pci v1",
        "i440FX-pcihost/03.0/virtio-blk-device virtio-blk-device ",
        "i440FX-pcihost/01.1 piix3-ide ",
        "i440FX-pcihost/01.1:0/unit 1 ide-hd ",
        "i440FX-pcihost/01.1:1/unit 0 ide-cd cd0",
        "i440FX-pcihost/05.0 virtio-scsi-pci s0",
        "i440FX-pcihost/05.0/scsi 0:2:1 scsi-hd ",
        "i440FX-pcihost/01.0 PIIX3 ",
        // The oldest of those without an address has the plain name.
        "i440FX-pcihost/01.0/isa-serial isa-serial first",
        "i440FX-pcihost/01.0/isa-serial[1] isa-serial second",
        "i440FX-pcihost/01.0/port92 port92 ",
      ].sort(),
    );
  });

  it("reads properties, and passes over what the guest sets", () => {
    expect(at("ioapic")?.properties).toEqual({ version: "32" });
    expect(at("i440FX-pcihost/09.0")?.properties).toEqual({
      addr: "09.0",
      romfile: "",
      rombar: "-1",
    });
    expect(at("i440FX-pcihost/09.0/port 1")?.properties).toEqual({ port: "1", attached: "true" });
    expect(at("i440FX-pcihost/03.0/virtio-blk-device")?.properties).toEqual({
      drive: "n1",
      ebpf: "<null>",
    });
  });

  it("takes the number out of paths, which counts the devices before", () => {
    expect(at("i440FX-pcihost/01.0/port92")?.properties).toEqual({
      i8042: "/machine/unattached/device",
      rng: "/machine/peripheral-anon/device/virtio-backend/default-backend",
    });
  });

  it("reads nothing from what is no tree", () => {
    expect(parseQtree("unknown command: 'info'\r\n")).toEqual([]);
    expect(parseQtree("")).toEqual([]);
  });
});

describe("parseRamBlocks", () => {
  it.each([
    ["7.2", ""],
    ["10.0 and newer", " 0x00007f3c17e00000  rw"],
  ])("reads names and sizes of QEMU %s", (_, more) => {
    const text =
      `              Block Name    PSize              Offset               Used              Total
                  pc.ram    4 KiB  0x0000000000000000 0x0000000008000000 0x0000000008000000${more}
    /rom@etc/acpi/tables    4 KiB  0x0000000009140000 0x0000000000020000 0x0000000000200000${more}
0000:00:03.0/virtio-net-pci.rom    2 MiB  0x0000000008080000 0x0000000000040000 0x0000000000040000${more}
`.replaceAll("\n", "\r\n");
    expect([...parseRamBlocks(text)]).toEqual([
      ["pc.ram", 134_217_728n],
      ["/rom@etc/acpi/tables", 2_097_152n],
      ["0000:00:03.0/virtio-net-pci.rom", 262_144n],
    ]);
  });
});

describe("parseNetworkPeers", () => {
  it("reads the kind of each backend, in a hub or not", () => {
    const text = `hub 0
 \\ hub0port1: index=0,type=hubport,
net0: index=0,type=nic,model=virtio-net-pci,macaddr=52:54:00:12:34:56
 \\ n0: index=0,type=user,net=10.0.2.0,restrict=off
n1: index=0,type=tap,ifname=tap0,script=no
`.replaceAll("\n", "\r\n");
    expect(Object.fromEntries(parseNetworkPeers(text))).toEqual({
      hub0port1: "hubport",
      n0: "user",
      n1: "tap",
    });
  });
});
