/** A device as `info qtree` prints it. */
export type QtreeDevice = {
  /** Its place: the types or addresses of the devices above it, joined by `/`. */
  place: string;
  type: string;
  id: string;
  /** In QEMU's spelling, but numbers without their second form, and texts without quotes. */
  properties: Record<string, string>;
};

type Bus = { readonly indent: number; readonly devices: OpenDevice[] };
type OpenDevice = {
  readonly indent: number;
  readonly type: string;
  readonly id: string;
  readonly properties: Record<string, string>;
  readonly buses: Bus[];
};

const DEVICE = /^dev: (\S+), id "(.*)"$/;
/** hw/usb/bus.c, usb_bus_dev_print: the property is empty where QEMU chose the port. */
const USB_PORT = /^addr \d+\.\d+, port ([\d.]+), /;
const PROPERTY = /^([A-Za-z][^\s=]*) = (.*)$/;
const HUMAN_FORM = /^(-?\d+) \(.*\)$/;

/**
 * Parses `info qtree` (QEMU system/qdev-monitor.c, qbus_print and qdev_print): the tree of buses and
 * devices with every property that a command line or a machine type can set. Other lines show run-time
 * state (GPIO, MMIO, BARs, guest addresses) and are passed over, but for the port of a USB device.
 */
export function parseQtree(text: string): QtreeDevice[] {
  const root: Bus = { indent: -1, devices: [] };
  const buses: Bus[] = [];
  const open: OpenDevice[] = [];
  for (const line of text.split("\n")) {
    const content = line.trim();
    const indent = line.length - line.trimStart().length;
    if (content.startsWith("bus: ")) {
      const parent = open.findLast((device) => device.indent < indent);
      const bus: Bus = parent === undefined ? root : { indent, devices: [] };
      parent?.buses.push(bus);
      buses.push(bus);
      continue;
    }
    const device = DEVICE.exec(content);
    if (device !== null) {
      const [, type = "", id = ""] = device;
      const made: OpenDevice = { indent, type, id, properties: {}, buses: [] };
      while ((open.at(-1)?.indent ?? -1) >= indent) open.pop();
      while ((buses.at(-1)?.indent ?? -1) >= indent) buses.pop();
      (buses.at(-1) ?? root).devices.push(made);
      open.push(made);
      continue;
    }
    const owner = open.at(-1);
    const port = USB_PORT.exec(content)?.[1];
    if (owner !== undefined && port !== undefined) owner.properties.port = port;
    const [, name, value] = PROPERTY.exec(content) ?? [];
    if (owner === undefined || name === undefined || value === undefined) continue;
    owner.properties[name] = plain(value);
  }
  return root.devices.length === 0 ? [] : listDevices(root, "");
}

function listDevices(bus: Bus, above: string): QtreeDevice[] {
  const counts = new Map<string, number>();
  // QEMU prints the newest first: of devices without an address the oldest gets the plain name.
  return bus.devices.toReversed().flatMap((device) => {
    const own = addressOf(device) ?? device.type;
    const count = counts.get(own) ?? 0;
    counts.set(own, count + 1);
    const place = `${above}${own}${count === 0 ? "" : `[${count}]`}`;
    const { type, id, properties, buses } = device;
    const below = buses.toReversed().flatMap((inner, index) => {
      const which = buses.length === 1 ? "" : `:${index}`;
      return listDevices(inner, `${place}${which}/`);
    });
    return [{ place, type, id, properties }, ...below];
  });
}

/** The device's address on its bus, as far as the kind of bus has one. */
function addressOf({ properties }: OpenDevice): string | undefined {
  const { addr, port, unit, nr, lun, channel } = properties;
  const target = properties["scsi-id"];
  if (addr !== undefined && /^[0-9a-f]+\.[0-7]$/.test(addr)) return addr;
  if (target !== undefined && lun !== undefined) return `scsi ${channel ?? 0}:${target}:${lun}`;
  if (unit !== undefined) return `unit ${unit}`;
  if (nr !== undefined) return `port ${nr}`;
  if (port !== undefined && /^\d+(\.\d+)*$/.test(port)) return `port ${port}`;
  return undefined;
}

function plain(value: string): string {
  const number = HUMAN_FORM.exec(value)?.[1];
  if (number !== undefined) return number;
  const isText = value.length >= 2 && value.startsWith('"') && value.endsWith('"');
  return (isText ? value.slice(1, -1) : value).replace(
    /\/(unattached|peripheral-anon)\/device\[\d+\]/g,
    "/$1/device",
  );
}
