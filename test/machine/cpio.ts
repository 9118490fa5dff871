const TYPE_DIRECTORY = 0o040000;
const TYPE_FILE = 0o100000;
const TYPE_LINK = 0o120000;
const TYPE_CHAR_DEVICE = 0o020000;

export type CpioEntry =
  | { kind: "directory"; name: string; mode: number }
  | { kind: "file"; name: string; mode: number; data: Uint8Array }
  | { kind: "link"; name: string; target: string }
  | { kind: "charDevice"; name: string; mode: number; major: number; minor: number };

/**
 * Writes an archive in the "newc" format that the kernel unpacks as its first root file system
 * (Documentation/driver-api/early-userspace/buffer-format.rst). Folders must come before what is in
 * them; owner is always root and times are 0, so equal entries give equal bytes.
 */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const [index, entry] of entries.entries()) parts.push(...writeEntry(entry, index + 1));
  parts.push(...writeRecord({ inode: 0, mode: 0, name: "TRAILER!!!", data: new Uint8Array() }));
  return Buffer.concat(parts);
}

function writeEntry(entry: CpioEntry, inode: number): Uint8Array[] {
  const data = new Uint8Array();
  switch (entry.kind) {
    case "directory":
      return writeRecord({ inode, mode: TYPE_DIRECTORY | entry.mode, name: entry.name, data });
    case "file":
      return writeRecord({ ...entry, inode, mode: TYPE_FILE | entry.mode });
    case "link": {
      const target = Buffer.from(entry.target);
      return writeRecord({ inode, mode: TYPE_LINK | 0o777, name: entry.name, data: target });
    }
    case "charDevice":
      return writeRecord({ ...entry, inode, mode: TYPE_CHAR_DEVICE | entry.mode, data });
  }
}

type CpioRecord = {
  inode: number;
  mode: number;
  name: string;
  data: Uint8Array;
  major?: number;
  minor?: number;
};

function writeRecord(record: CpioRecord): Uint8Array[] {
  const name = Buffer.from(`${record.name}\0`);
  const fields = [
    record.inode,
    record.mode,
    0, // user
    0, // group
    1, // links
    0, // modification time
    record.data.length,
    0, // major of the file system
    0, // minor of the file system
    record.major ?? 0,
    record.minor ?? 0,
    name.length,
    0, // checksum, unused in this format
  ];
  const header = Buffer.from(`070701${fields.map(hex).join("")}`);
  return [
    header,
    name,
    padding(header.length + name.length),
    record.data,
    padding(record.data.length),
  ];
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}

function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}
