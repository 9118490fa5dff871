import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { VmDefinition } from "../../core/vm.ts";
import { testFolder } from "../testing/folder.ts";
import { refuseUnlessAllowed } from "./allowed.ts";

const file = (filename: unknown) => ({
  blockdevs: [{ driver: "file", "node-name": "d0", filename }],
});
const chardev = (backend: string, more: object = {}) => ({
  chardevs: [{ id: "c0", backend, ...more }],
});
const object = (type: string, more: object = {}) => ({
  objects: [{ "qom-type": type, id: "o0", ...more }],
});
const netdev = (more: object) => ({ netdevs: [{ id: "n0", ...more }] });

function check(parts: object, allow: object = {}, folder = "/srv/agent"): void {
  const definition = VmDefinition.parse({ memoryBytes: 2 ** 20, ...parts });
  const own = {
    runDir: `${folder}/run`,
    stateDir: `${folder}/state`,
    joinTokenFile: `${folder}/key`,
  };
  refuseUnlessAllowed(definition, { allow, ...own });
}

describe("by default a host", () => {
  it.each([
    ["a disk", file("/srv/guests/disk.raw")],
    ["a disk in another folder of the agent's parent", file("/srv/agent/disk.raw")],
    ["a host resource", file({ $host: "disk" })],
    ["a device without an option ROM", { devices: [{ driver: "e1000", romfile: "" }] }],
    [
      "a node's name",
      {
        blockdevs: [
          { driver: "null-co", "node-name": "a" },
          { driver: "raw", file: "a" },
        ],
      },
    ],
    ["a socket in the guest's folder", chardev("socket", { path: { $guest: "a.sock" } })],
    ["a kernel's arguments", { kernel: { path: "/boot/vmlinuz", append: "/etc/x init=/bin/sh" } }],
    [
      "a tap without scripts",
      netdev({ type: "tap", ifname: "t0", script: "no", downscript: "no" }),
    ],
    ["memory", object("memory-backend-file", { "mem-path": "/dev/hugepages", size: 1 })],
  ])("allows %s", (_, parts) => {
    expect(() => check(parts)).not.toThrow();
  });

  it.each<[string, object, RegExp]>([
    [
      "a relative path",
      file("../agent/key"),
      /blockdevs\[0\].filename, a path that is not absolute/,
    ],
    ["its own key", file("/srv/agent/key"), /blockdevs\[0\].filename: \/srv\/agent\/key/],
    ["its own folders", file("/srv/x/../agent/state/journal"), /filename/],
    [
      "a monitor of another guest",
      chardev("socket", { path: "/srv/agent/run/vm2/qmp.sock" }),
      /chardevs\[0\].path/,
    ],
    ["a system file", file("/etc/shadow"), /etc\/shadow/],
    [
      "one deep in a part",
      { blockdevs: [{ driver: "raw", file: { driver: "file", filename: "/proc/kcore" } }] },
      /blockdevs\[0\].file.filename/,
    ],
    ["qtest", object("qtest", { log: "/tmp/x" }), /objects\[0\] \(qom-type qtest\)/],
    [
      "memory on its files",
      object("memory-backend-file", { "mem-path": "/srv/agent/key", size: 1 }),
      /mem-path/,
    ],
    [
      "usb-mtp",
      { devices: [{ driver: "usb-mtp", rootdir: "/srv" }] },
      /devices\[0\] \(driver usb-mtp\)/,
    ],
    ["loader", { devices: [{ driver: "loader", file: "/srv/x" }] }, /driver loader/],
    ["a terminal", chardev("stdio"), /chardevs\[0\] \(backend stdio\)/],
    ["a device of the host", chardev("serial", { path: "/dev/ttyS0" }), /backend serial/],
    ["a script", netdev({ type: "tap", script: "/tmp/up" }), /netdevs\[0\].script, a program/],
    [
      "a command",
      netdev({ type: "user", guestfwd: [{ str: "tcp:10.0.2.9:1-cmd:sh" }] }),
      /guestfwd/,
    ],
    ["an SMBIOS file", { smbios: [{ file: "/etc/shadow" }] }, /smbios\[0\].file/],
    ["a log", chardev("null", { logfile: "/etc/cron.d/x" }), /logfile/],
    ["a kernel", { kernel: { path: "/proc/kcore" } }, /kernel.path/],
  ])("refuses %s", (_, parts, message) => {
    expect(() => check(parts)).toThrow(message);
  });

  it("refuses a link into its own folders", () => {
    const folder = testFolder();
    mkdirSync(join(folder, "state"));
    symlinkSync(join(folder, "state"), join(folder, "link"));
    expect(() => check(file(join(folder, "link/journal")), {}, folder)).toThrow(/link\/journal/);
  });
});

describe("a host with lists of its own", () => {
  it.each<[object, object, RegExp | undefined]>([
    [{ paths: ["/srv/guests"] }, file("/srv/guests/a.raw"), undefined],
    [{ paths: ["/srv/guests"] }, file("/srv/guests2/a.raw"), /filename/],
    [{ paths: ["/etc/guests"] }, file("/etc/guests/a.raw"), undefined],
    [{ paths: ["/"] }, file("/srv/agent/key"), /filename/],
    [{ devices: ["usb-*"] }, { devices: [{ driver: "usb-host" }] }, undefined],
    [{ devices: ["usb-*"] }, { devices: [{ driver: "e1000" }] }, /driver e1000/],
    [{ objects: ["memory-backend-memfd"] }, object("memory-backend-ram"), /memory-backend-ram/],
    [{ chardevs: ["stdio"] }, chardev("stdio"), undefined],
    [{ netdevs: ["tap"] }, netdev({ type: "user" }), /netdevs\[0\] \(type user\)/],
  ])("%j: judges %j", (allow, parts, message) => {
    const judged = () => check(parts, allow);
    if (message === undefined) expect(judged).not.toThrow();
    else expect(judged).toThrow(message);
  });
});
