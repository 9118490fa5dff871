import { type Draft, flag, type OptionRule, type Part, withValue } from "./draft.ts";
import { optionMap, optionPairs } from "./option-text.ts";

const TERMINAL = "QEMU writes the serial port to `serial.log` in the guest's folder";

/** Serial ports, the screen, and the shorthands for what is plugged in. */
export const channelRules: Readonly<Record<string, OptionRule>> = {
  serial: withValue(readSerial),
  parallel: withValue((draft, value, option) => {
    draft.defaults.parallel = false;
    if (value !== "none")
      draft.note("unknown", option, "say it by -chardev and -device isa-parallel");
  }),
  display: withValue((draft, value, option) => {
    draft.fields.display ??= { type: "none" };
    if (value !== "none") draft.note("replaced", option, "a guest of an agent has no window");
  }),
  vnc: withValue(readVnc),
  nographic: flag((draft, option) => {
    draft.fields.display = { type: "none" };
    draft.machineOptions.graphics = "off";
    draft.note("replaced", option, TERMINAL);
  }),
  vga: withValue((draft, value) => {
    draft.vga = value;
  }),
  usbdevice: withValue(readUsbDevice),
};

const SERIALS_MAX = 4;

function readSerial(draft: Draft, value: string, option: string): void {
  draft.defaults.serial = false;
  if (value === "none") return;
  if (draft.serials.length >= SERIALS_MAX) {
    draft.note("lost", option, `a definition has at most ${SERIALS_MAX} serial ports of the board`);
    return;
  }
  if (value.startsWith("chardev:")) {
    draft.serials.push({ chardev: value.slice("chardev:".length) });
    return;
  }
  const port = draft.serials.length;
  const chardev = serialChardev(value, draft.freeId(`serial${port}`));
  if (chardev !== undefined) {
    draft.chardevs.push(chardev);
    draft.serials.push({ chardev: String(chardev.id) });
    return;
  }
  draft.note("replaced", option, TERMINAL);
  draft.serials.push("log");
}

/** Undefined for a terminal, for an agent's own log, and for what is read as a terminal. */
function serialChardev(value: string, id: string): Part | undefined {
  const colon = value.indexOf(":");
  const [kind, rest] = colon < 0 ? [value, ""] : [value.slice(0, colon), value.slice(colon + 1)];
  const pairs = optionPairs(rest, "first");
  const { first = "", ...more } = Object.fromEntries(pairs);
  if (kind === "null") return { id, backend: "null" };
  // As agents start QEMU: a path in the guest's folder means nothing on another host.
  if (kind === "file" && rest.endsWith("/serial.log")) return undefined;
  if (kind === "file") return { id, backend: "file", path: rest.replaceAll(",,", ",") };
  if (kind === "unix") return { id, backend: "socket", path: first, ...more };
  if (kind === "tcp" || kind === "telnet") {
    const at = first.lastIndexOf(":");
    const telnet = kind === "telnet" ? { telnet: "on" } : {};
    const host = first.slice(0, at);
    const port = first.slice(at + 1);
    return { id, backend: "socket", host, port, ...more, ...telnet };
  }
  return undefined;
}

function readVnc(draft: Draft, value: string, option: string): void {
  const pairs = optionMap(value, "vnc");
  if (pairs.get("vnc") === "none") {
    draft.fields.display = { type: "none" };
    return;
  }
  const share = pairs.get("share");
  draft.fields.display = { type: "vnc", ...(share === undefined ? {} : { share }) };
  draft.note("replaced", option, "VNC is at `vnc.sock` in the guest's folder");
  const lost = ["password", "password-secret", "tls-creds", "sasl", "websocket"];
  for (const key of lost.filter((name) => pairs.has(name))) {
    draft.note("lost", `-vnc ${key}=${pairs.get(key)}`, "the socket's folder is closed to others");
  }
}

/** The device of each `-vga` (system/vl.c, vga_interfaces). */
const cards: Readonly<Record<string, string>> = {
  std: "VGA",
  cirrus: "cirrus-vga",
  vmware: "vmware-svga",
  virtio: "virtio-vga",
  qxl: "qxl-vga",
};

/** QEMU's own cards count as one that an option gives. */
const SCREENS = /^(VGA|(isa|cirrus|isa-cirrus|qxl|virtio|vhost-user|ati)-vga(-gl)?|vmware-svga)$/;

/** The screen's card, which the board makes before all other cards. */
export function finishScreen(draft: Draft): void {
  if (draft.vga === "none") return;
  const isGiven = draft.allDevices.some(({ driver }) => SCREENS.test(String(driver)));
  if (draft.vga === undefined && (isGiven || !draft.defaults.all)) return;
  const driver = cards[draft.vga ?? "std"];
  if (driver === undefined) draft.note("unknown", `-vga ${draft.vga}`, "say it by -device");
  else draft.devices.board.unshift({ driver });
}

const usbDevices: Readonly<Record<string, string>> = {
  tablet: "usb-tablet",
  mouse: "usb-mouse",
  keyboard: "usb-kbd",
};

function readUsbDevice(draft: Draft, value: string, option: string): void {
  const driver = usbDevices[value];
  if (driver === undefined) {
    draft.note("unknown", option, "say it by -device");
    return;
  }
  draft.machineOptions.usb ??= "on";
  draft.devices.usb.push({ driver });
}
