import { type Draft, type OptionRule, type Part, withValue } from "./draft.ts";
import { readNetdev } from "./network-options.ts";
import { jsonOption, optionMap, optionPairs } from "./option-text.ts";
import { guestSocket, placeholderReason, resourceName } from "./placeholder.ts";
import { typedPart } from "./typed-part.ts";

/** Options that are a part of the definition each. */
export const partRules: Readonly<Record<string, OptionRule>> = {
  device: withValue(readDevice),
  object: withValue(readObject),
  blockdev: withValue(readBlockdev),
  netdev: withValue((draft, value, option) => {
    const netdev = jsonOption(value) ?? typedPart("netdev", optionPairs(value, "type"), draft);
    readNetdev(draft, netdev, option);
  }),
  chardev: withValue(readChardev),
  tpmdev: withValue(readTpmdev),
};

function readDevice(draft: Draft, value: string, option: string): void {
  const json = jsonOption(value);
  const device = json ?? typedPart("device", optionPairs(value, "driver"), draft);
  if (device.driver === "vfio-pci" || device.driver === "vfio-pci-nohotplug") {
    replaceHostDevice(draft, device, option);
  }
  if (typeof device.audiodev === "string") {
    draft.note("lost", `-device ${device.driver},audiodev=${device.audiodev}`, "it has no sound");
    delete device.audiodev;
  }
  draft.devices[json === undefined ? "options" : "json"].push(device);
}

/** A device of the host has another address on each host. */
function replaceHostDevice(draft: Draft, device: Part, option: string): void {
  const member = typeof device.host === "string" ? "host" : "sysfsdev";
  if (typeof device[member] !== "string") {
    draft.note("unknown", option, "the device of the host comes by a file descriptor: name it");
    return;
  }
  const type = member === "host" ? "pci" : "mdev";
  const name = resourceName(device.id) ?? `${type}${draft.allDevices.length}`;
  draft.note("replaced", option, placeholderReason(name, type));
  device[member] = { $host: name, type };
}

/** Objects that belong to a manager, and not to the guest. */
const MANAGERS_SECRETS = new Set(["masterKey0"]);

function readObject(draft: Draft, value: string, option: string): void {
  const object = jsonOption(value) ?? typedPart("object", optionPairs(value, "qom-type"), draft);
  const id = String(object.id);
  if (object["qom-type"] === "secret") {
    const isManagers = MANAGERS_SECRETS.has(id);
    const reason = isManagers
      ? "libvirt's key for its own secrets"
      : "a secret is no part of a definition: it would be stored and shown";
    draft.note(isManagers ? "replaced" : "lost", `-object secret,id=${id}`, reason);
    return;
  }
  if (object["qom-type"] === "qtest") {
    draft.note("lost", option, "a definition has no test protocol");
    return;
  }
  draft.objects.push(object);
}

function readBlockdev(draft: Draft, value: string, option: string): void {
  const node = jsonOption(value) ?? typedPart("blockdev", optionPairs(value, "driver"), draft);
  if (JSON.stringify(node).includes('"/dev/fdset/')) {
    draft.note("unknown", option, "a file that another process has opened: give its path");
  }
  draft.blockdevs.push(node);
}

/** Folders in which managers make the sockets of a process. */
const MANAGERS_FOLDERS = /^(\/var)?\/run\/(qemu-server|libvirt)\/|^\/var\/lib\/libvirt\/qemu\//;

function readChardev(draft: Draft, value: string, option: string): void {
  const chardev: Part = Object.fromEntries(optionPairs(value, "backend"));
  if (chardev.backend === "socket" && chardev.path === undefined && chardev.fd !== undefined) {
    draft.note("replaced", option, "the manager made the socket: it is in the guest's folder now");
    delete chardev.fd;
    chardev.path = { $guest: guestSocket(chardev.id) };
  } else if (typeof chardev.path === "string" && MANAGERS_FOLDERS.test(chardev.path)) {
    if (chardev.backend === "socket" && chardev.server === "on") {
      draft.note("replaced", option, "a socket of the manager: it is in the guest's folder now");
      chardev.path = { $guest: guestSocket(chardev.id) };
    }
  }
  if (chardev.backend === "stdio" || chardev.backend === "pty") {
    draft.note("replaced", option, "a socket in the guest's folder takes the terminal's place");
    draft.chardevs.push({
      id: chardev.id,
      backend: "socket",
      path: { $guest: guestSocket(chardev.id) },
      server: "on",
      wait: "off",
    });
    return;
  }
  draft.chardevs.push(chardev);
}

function readTpmdev(draft: Draft, value: string, option: string): void {
  const pairs = optionMap(value, "type");
  const id = pairs.get("id");
  const chardev = pairs.get("chardev");
  if (pairs.get("type") !== "emulator" || id === undefined || chardev === undefined) {
    draft.note("lost", option, "QEMU cannot migrate a TPM of the host");
    return;
  }
  draft.fields.tpm = { id, chardev };
}

/** Chardevs of monitors go with them. */
export function dropMonitorChardevs(draft: Draft): void {
  const kept = draft.chardevs.filter(({ id }) => !draft.monitorChardevs.has(String(id)));
  draft.chardevs.splice(0, draft.chardevs.length, ...kept);
}
