import type { DefinitionParts } from "./parts.ts";

/** What is wrong with a part that is right by itself. */
export type Problem = { path: (string | number)[]; message: string };

type Part = Readonly<Record<string, unknown>>;

/** Members by which a device, object or network names another part, and the parts they name. */
const DEVICE_MEMBERS = {
  netdev: "netdevs",
  chardev: "chardevs",
  drive: "blockdevs",
  iothread: "objects",
  memdev: "objects",
  rng: "objects",
  tpmdev: "tpm",
} as const;
const OBJECT_MEMBERS = { netdev: "netdevs", chardev: "chardevs" } as const;
const NETDEV_MEMBERS = { netdev: "netdevs", chardev: "chardevs" } as const;
/** Children of block nodes (qapi/block-core.json) that may be given as the name of a node. */
const NODE_MEMBERS = { file: "blockdevs", backing: "blockdevs", "data-file": "blockdevs" } as const;

type Kind = "netdevs" | "chardevs" | "blockdevs" | "objects" | "tpm";

/** Where the names of each kind are declared, for messages. */
const declared: Record<Kind, string> = {
  netdevs: "an `id` in `netdevs`",
  chardevs: "an `id` in `chardevs`",
  blockdevs: "a `node-name` in `blockdevs`",
  objects: "an `id` in `objects`",
  tpm: "`tpm.id`",
};

/** Names that parts refer to each other by: each is declared once, and each that is used exists. */
export function referenceProblems(definition: DefinitionParts): Problem[] {
  const { netdevs = [], chardevs = [], devices, objects, blockdevs, tpm } = definition;
  const nodes = blockdevs.flatMap((blockdev, index) =>
    nodesOf(blockdev, ["blockdevs", index]).map(({ name, path }) => ({ name, path })),
  );
  const names: Record<Kind, Name[]> = {
    netdevs: idsOf("netdevs", netdevs),
    chardevs: idsOf("chardevs", chardevs),
    objects: idsOf("objects", objects),
    blockdevs: nodes,
    tpm: tpm === undefined ? [] : [{ name: tpm.id, path: ["tpm", "id"] }],
  };
  const references = referencesOf(definition);
  return [
    ...[...Object.values(names), idsOf("devices", devices)].flatMap(duplicates),
    ...references.flatMap((reference) => missing(reference, names)),
    ...usedTwice(references, chardevs),
  ];
}

/** The names of the parts of each kind that another part uses. */
export function usedNames(definition: DefinitionParts): Record<Kind, Set<string>> {
  const references = referencesOf(definition);
  const of = (kind: Kind) =>
    new Set(references.filter((one) => one.kind === kind).map(({ name }) => name));
  return {
    netdevs: of("netdevs"),
    chardevs: of("chardevs"),
    blockdevs: of("blockdevs"),
    objects: of("objects"),
    tpm: of("tpm"),
  };
}

function referencesOf(definition: DefinitionParts): Reference[] {
  const { devices, objects, netdevs = [], blockdevs } = definition;
  return [
    ...membersOf("devices", devices, DEVICE_MEMBERS),
    ...membersOf("objects", objects, OBJECT_MEMBERS),
    ...membersOf("netdevs", netdevs, NETDEV_MEMBERS),
    ...blockdevs.flatMap((blockdev, index) => childrenOf(blockdev, ["blockdevs", index])),
    ...fieldReferences(definition),
  ];
}

type Name = { name: string; path: (string | number)[] };
type Reference = Name & { kind: Kind };

function idsOf(field: string, parts: readonly Part[]): Name[] {
  return parts.flatMap(({ id }, index) =>
    typeof id === "string" ? [{ name: id, path: [field, index, "id"] }] : [],
  );
}

function membersOf(
  field: string,
  parts: readonly Part[],
  members: Readonly<Record<string, Kind>>,
): Reference[] {
  return parts.flatMap((part, index) =>
    Object.entries(members).flatMap(([member, kind]) => {
      const name = part[member];
      return typeof name === "string" ? [{ name, kind, path: [field, index, member] }] : [];
    }),
  );
}

/** Fields of the definition's own that name a part. */
function fieldReferences(definition: DefinitionParts): Reference[] {
  const { serials = [], tpm, memory, numa = [], firmware, machineOptions } = definition;
  const found: Reference[] = serials.flatMap((serial, index) =>
    serial === "log"
      ? []
      : [{ name: serial.chardev, kind: "chardevs", path: ["serials", index, "chardev"] }],
  );
  const add = (name: unknown, kind: Kind, ...path: (string | number)[]) => {
    if (typeof name === "string") found.push({ name, kind, path });
  };
  add(tpm?.chardev, "chardevs", "tpm", "chardev");
  add(memory?.backend, "objects", "memory", "backend");
  const byOption = machineOptions?.["memory-backend"];
  add(byOption, "objects", "machineOptions", "memory-backend");
  for (const [index, entry] of numa.entries()) {
    if (entry.type === "node") add(entry.memdev, "objects", "numa", index, "memdev");
  }
  if (firmware !== undefined && "code" in firmware) {
    add(firmware.code, "blockdevs", "firmware", "code");
    add(firmware.nvram, "blockdevs", "firmware", "nvram");
  }
  return found;
}

/** Nodes with a name, at any depth: a child may be given in its parent. */
function nodesOf(node: unknown, path: (string | number)[]): Name[] {
  if (typeof node !== "object" || node === null) return [];
  const own = Reflect.get(node, "node-name");
  const named = typeof own === "string" ? [{ name: own, path: [...path, "node-name"] }] : [];
  const children = Object.entries(node).flatMap(([member, child]) =>
    nodesOf(child, [...path, Array.isArray(node) ? Number(member) : member]),
  );
  return [...named, ...children];
}

function childrenOf(node: unknown, path: (string | number)[]): Reference[] {
  if (typeof node !== "object" || node === null) return [];
  return Object.entries(node).flatMap(([member, child]) => {
    const here = [...path, Array.isArray(node) ? Number(member) : member];
    if (typeof child === "object") return childrenOf(child, here);
    const isNode = "driver" in node && Object.hasOwn(NODE_MEMBERS, member);
    return isNode && typeof child === "string"
      ? [{ name: child, kind: "blockdevs" as const, path: here }]
      : [];
  });
}

function duplicates(names: readonly Name[]): Problem[] {
  const seen = new Set<string>();
  return names.flatMap(({ name, path }) => {
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    return [{ path, message: `expected a name that no other part has, got ${name} again` }];
  });
}

function missing({ name, kind, path }: Reference, names: Record<Kind, Name[]>): Problem[] {
  const known = names[kind].map((entry) => entry.name);
  if (known.includes(name)) return [];
  const have = known.length === 0 ? "there is none" : `there are ${known.join(", ")}`;
  return [{ path, message: `expected ${declared[kind]}, got ${name}; ${have}` }];
}

/** A network has one device, and a character device one user unless it is a `mux`. */
function usedTwice(references: readonly Reference[], chardevs: readonly Part[]): Problem[] {
  const shared = new Set(chardevs.filter(({ mux }) => mux === true).map(({ id }) => id));
  const users = new Map<string, Name["path"]>();
  return references.flatMap(({ name, kind, path }) => {
    const isFilter = kind === "netdevs" && path[0] !== "devices";
    if (isFilter || (kind !== "netdevs" && kind !== "chardevs") || shared.has(name)) return [];
    const first = users.get(`${kind} ${name}`);
    if (first === undefined) {
      users.set(`${kind} ${name}`, path);
      return [];
    }
    return [{ path, message: `expected a name that only one part uses, got ${name} again` }];
  });
}
