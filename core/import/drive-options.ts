import { type Draft, type Drive, type OptionRule, type Part, withValue } from "./draft.ts";
import { isQ35 } from "./network-options.ts";
import { optionMap, switchOf } from "./option-text.ts";

const NODE_NAME_CHARACTERS_MAX = 31;

/** `-drive` and its shorthands: a block node and a device each. */
export const driveRules: Readonly<Record<string, OptionRule>> = {
  drive: withValue((draft, value, option) => readDrive(draft, optionMap(value), option)),
  hda: disk(0),
  hdb: disk(1),
  hdc: disk(2),
  hdd: disk(3),
  cdrom: withValue((draft, file, option) =>
    readDrive(draft, new Map(Object.entries({ file, index: "2", media: "cdrom" })), option),
  ),
  fda: floppy(0),
  fdb: floppy(1),
  pflash: withValue((draft, file, option) =>
    readDrive(draft, new Map(Object.entries({ file, if: "pflash", format: "raw" })), option),
  ),
};

function disk(index: number): OptionRule {
  return withValue((draft, file, option) =>
    readDrive(draft, new Map(Object.entries({ file, index: String(index) })), option),
  );
}

function floppy(index: number): OptionRule {
  return withValue((draft, file, option) =>
    readDrive(draft, new Map(Object.entries({ file, if: "floppy", index: String(index) })), option),
  );
}

/** A disk image without an option. */
export function readImage(draft: Draft, file: string): void {
  readDrive(draft, new Map(Object.entries({ file, index: "0", media: "disk" })), file);
}

type Pairs = ReadonlyMap<string, string>;

/** `file` of `-drive`, and members of it that are said elsewhere. */
const KNOWN = new Set(
  `file if index bus unit media id format cache aio discard detect-zeroes readonly read-only rerror
  werror snapshot node-name file.locking cache.direct cache.no-flush cache.writeback addr
  auto-read-only force-share copy-on-read`.split(/\s+/),
);

function readDrive(draft: Draft, pairs: Pairs, option: string): void {
  const isCdrom = pairs.get("media") === "cdrom";
  const file = pairs.get("file") ?? pairs.get("file.filename") ?? "";
  const id = pairs.get("id");
  for (const [key, text] of pairs) {
    const isKnown = KNOWN.has(key) || key === "file.filename" || key === "file.driver";
    if (!isKnown) draft.note("lost", `-drive ${key}=${text}`, lostReason(key));
  }
  for (const key of ["snapshot", "copy-on-read"]) {
    if (switchOf(pairs.get(key) ?? "off") === true) {
      draft.note(
        "lost",
        `-drive ${key}=on`,
        "writes would go elsewhere: say the nodes by -blockdev",
      );
    }
  }
  const node = file === "" ? undefined : nodeOf(draft, { pairs, file, id, isCdrom, option });
  draft.drives.push({
    option,
    interface: pairs.get("if") ?? "ide",
    id,
    index: numberOf(pairs.get("index")),
    bus: numberOf(pairs.get("bus")),
    unit: numberOf(pairs.get("unit")),
    isCdrom,
    node,
    device: deviceOptions(pairs),
  });
}

function lostReason(key: string): string {
  if (/^(throttling|bps|iops|group)/.test(key)) {
    return "limits of throughput: say them by a throttle-group object and a throttle node";
  }
  return "a definition says it by the block node or the device: it was left out";
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

/** What `-drive` says of the device. */
function deviceOptions(pairs: Pairs): Part {
  const { rerror, werror, addr } = Object.fromEntries(pairs);
  const isWritethrough =
    ["writethrough", "directsync"].includes(pairs.get("cache") ?? "") ||
    switchOf(pairs.get("cache.writeback") ?? "on") === false;
  return {
    ...(rerror === undefined ? {} : { rerror }),
    ...(werror === undefined ? {} : { werror }),
    ...(addr === undefined ? {} : { addr }),
    ...(isWritethrough ? { "write-cache": "off" } : {}),
  };
}

type Medium = {
  readonly pairs: Pairs;
  readonly file: string;
  readonly id: string | undefined;
  readonly isCdrom: boolean;
  readonly option: string;
};

/** Makes the block nodes of a medium. @returns the name of the upper one */
function nodeOf(draft: Draft, medium: Medium): string | undefined {
  const { pairs, file, isCdrom, option } = medium;
  const protocol = protocolOf(draft, medium);
  if (protocol === undefined) return undefined;
  const cache = cacheOf(pairs);
  const isReadOnly =
    isCdrom || switchOf(pairs.get("readonly") ?? pairs.get("read-only") ?? "off") === true;
  const options: Part = {
    ...(cache === undefined ? {} : { cache }),
    ...(isReadOnly ? { "read-only": true } : {}),
    ...textOf(pairs, "discard", (text) =>
      text === "on" ? "unmap" : text === "off" ? "ignore" : text,
    ),
  };
  const name = freeNode(
    draft,
    pairs.get("node-name") ?? medium.id ?? `drive${draft.drives.length}`,
  );
  const format = pairs.get("format") ?? (isCdrom || isBlockDevice(file) ? "raw" : undefined);
  if (format === undefined) {
    const reason = "QEMU found the image's format by its content: taken as raw, give `format`";
    draft.guess(option, reason);
  }
  draft.blockdevs.push({
    driver: format ?? "raw",
    "node-name": name,
    ...options,
    ...textOf(pairs, "detect-zeroes"),
    file: { ...protocol, ...textOf(pairs, "aio"), ...options, ...lockingOf(pairs) },
  });
  return name;
}

function textOf(pairs: Pairs, key: string, change = (text: string) => text): Part {
  const text = pairs.get(key);
  return text === undefined ? {} : { [key]: change(text) };
}

function lockingOf(pairs: Pairs): Part {
  const locking = pairs.get("file.locking");
  return locking === undefined ? {} : { locking };
}

function isBlockDevice(file: string): boolean {
  return file.startsWith("/dev/");
}

/** The node that opens the file. */
function protocolOf(draft: Draft, { file, isCdrom, option }: Medium): Part | undefined {
  const path = file.startsWith("file:") ? file.slice("file:".length) : file;
  if (path.startsWith("/")) {
    if (!isBlockDevice(path)) return { driver: "file", filename: path };
    return { driver: isCdrom ? "host_cdrom" : "host_device", filename: path };
  }
  const nbd = /^nbd:\/\/([^/:]+)(?::(\d+))?(?:\/(.*))?$/.exec(path);
  if (nbd !== null) {
    const [, host, port = "10809", name = ""] = nbd;
    const server = { type: "inet", host, port };
    return { driver: "nbd", server, ...(name === "" ? {} : { export: name }) };
  }
  const socket = /^nbd\+unix:\/\/\/([^?]*)\?socket=(.*)$/.exec(path);
  if (socket !== null) {
    const [, name = "", at] = socket;
    const server = { type: "unix", path: at };
    return { driver: "nbd", server, ...(name === "" ? {} : { export: name }) };
  }
  const isRelative = !/^[a-z0-9+]+:/i.test(path);
  const reason = isRelative
    ? "a path that is not absolute: give the image's whole path"
    : "say this image by -blockdev: its address in `file=` is not read here; the disk is left out";
  draft.guess(option, reason);
  return undefined;
}

/** `cache=` and its members, as far as they belong to the nodes (qemu-img(1), cache modes). */
function cacheOf(pairs: Pairs): Part | undefined {
  const mode = pairs.get("cache");
  const direct = switchOf(pairs.get("cache.direct") ?? "off") === true;
  const noFlush = switchOf(pairs.get("cache.no-flush") ?? "off") === true;
  const cache = {
    direct: direct || mode === "none" || mode === "directsync" || mode === "off",
    "no-flush": noFlush || mode === "unsafe",
  };
  return cache.direct || cache["no-flush"] ? cache : undefined;
}

function freeNode(draft: Draft, wanted: string): string {
  const fits = /^[A-Za-z]/.test(wanted) && wanted.length <= NODE_NAME_CHARACTERS_MAX - 3;
  return draft.freeId(fits ? wanted : `drive${draft.drives.length}`);
}

/** Gives each drive its device, or the device that names it its node. */
export function placeDrives(draft: Draft): void {
  const taken = new Set(draft.drives.flatMap((drive) => placeOf(drive, draft) ?? []));
  const flash: (string | undefined)[] = [];
  for (const drive of draft.drives) {
    if (drive.interface === "none") nameNode(draft, drive);
    else if (drive.interface === "virtio")
      draft.devices.drives.push(deviceOf(drive, "virtio-blk-pci"));
    else if (drive.interface === "ide") placeIde(draft, drive, taken);
    else if (drive.interface === "floppy") placeFloppy(draft, drive);
    else if (drive.interface === "pflash")
      flash[drive.unit ?? drive.index ?? flash.length] = drive.node;
    else draft.note("unknown", drive.option, `say the device of if=${drive.interface} by -device`);
  }
  const [code, nvram] = flash;
  if (code !== undefined)
    draft.fields.firmware = { code, ...(nvram === undefined ? {} : { nvram }) };
}

/** A device names its drive by id; a definition names the node. */
function nameNode(draft: Draft, drive: Drive): void {
  const users = draft.allDevices.filter((device) => device.drive === drive.id);
  for (const device of users) {
    const node = drive.node === undefined ? {} : { drive: drive.node };
    delete device.drive;
    Object.assign(device, node, drive.device, scsiName(device, drive));
  }
  if (users.length === 0) draft.note("lost", drive.option, "no device uses this drive");
}

/** A SCSI disk without a serial number shows the guest its drive's id (hw/scsi/scsi-disk.c). */
function scsiName({ driver, serial, device_id }: Part, { id }: Drive): Part {
  const isNamed = serial !== undefined || device_id !== undefined;
  return isNamed || !/^scsi-(hd|cd)$/.test(String(driver)) ? {} : { device_id: id };
}

function deviceOf({ node, device }: Drive, driver: string): Part {
  return { driver, ...(node === undefined ? {} : { drive: node }), ...device };
}

/** `index` counts through buses of two units on `pc`, of one on `q35` (blockdev.c, drive_new). */
function placeOf(drive: Drive, draft: Draft): string[] | undefined {
  if (drive.interface !== "ide") return undefined;
  const perBus = unitsPerBus(draft);
  if (drive.index !== undefined) {
    return [`${Math.floor(drive.index / perBus)}.${drive.index % perBus}`];
  }
  if (drive.bus === undefined && drive.unit === undefined) return undefined;
  return [`${drive.bus ?? 0}.${drive.unit ?? 0}`];
}

export function unitsPerBus(draft: Draft): number {
  return isQ35(draft) ? 1 : 2;
}

function placeIde(draft: Draft, drive: Drive, taken: Set<string>): void {
  let [place] = placeOf(drive, draft) ?? [];
  const perBus = unitsPerBus(draft);
  for (let index = 0; place === undefined; index += 1) {
    const free = `${Math.floor(index / perBus)}.${index % perBus}`;
    if (!taken.has(free)) place = free;
  }
  taken.add(place);
  const [bus, unit] = place.split(".").map(Number);
  const device = deviceOf(drive, drive.isCdrom ? "ide-cd" : "ide-hd");
  draft.devices.board.push({ ...device, bus: `ide.${bus}`, unit });
}

function placeFloppy(draft: Draft, drive: Drive): void {
  draft.devices.board.push({ ...deviceOf(drive, "floppy"), unit: drive.unit ?? drive.index ?? 0 });
}
