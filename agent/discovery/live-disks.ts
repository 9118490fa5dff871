import { isAbsolute, join } from "node:path";
import type { BlockDevice, BlockGraph, BlockNode } from "../../qmp/device.ts";

type Part = Record<string, unknown>;

export type LiveBlocks = {
  readonly devices: readonly BlockDevice[];
  readonly nodes: readonly BlockNode[];
  /** Where nodes do not name their children (before 10.1). */
  readonly graph: BlockGraph | undefined;
  /** The folder in which QEMU looks for files with a relative name. */
  readonly folder: string | undefined;
};

type Child = { readonly name: string; readonly node: string };

/** Members of a block node that its place in the graph decides, or that QMP shows. */
const SHOWN = ["driver", "node-name", "filename", "file", "backing", "read-only", "auto-read-only"];
const DEPTH_MAX = 250;
const FILES = /^(file|host_device|host_cdrom)$/;

/**
 * Block nodes of a running QEMU as a definition has them. The graph of QMP is the truth: snapshots,
 * mirrors and changes of media are in it. What QMP does not show of a node (`aio`, `locking`,
 * `discard`…) comes from the command line's node of the same file or name.
 */
export class LiveDisks {
  readonly #blocks: LiveBlocks;
  readonly #children: Map<string, Child[]>;
  readonly #given: Part[];
  readonly #made = new Set<string>();
  readonly #unknown: string[] = [];
  /** Upper nodes, in the order in which devices asked for them. */
  readonly blockdevs: Part[] = [];

  /** @param given block nodes of the command line */
  constructor(blocks: LiveBlocks, given: readonly Part[]) {
    this.#blocks = blocks;
    this.#children = childrenOf(blocks);
    this.#given = given.flatMap(innerNodes);
  }

  /** Drivers of nodes that no definition is made of, with their files. */
  get unknown(): readonly string[] {
    return this.#unknown;
  }

  /**
   * The name of the node for what a device names: a node, or the id of a `-drive`. Undefined without a
   * medium, or where the node is unknown.
   *
   * @param wanted a name for a node whose name is QEMU's own
   */
  nodeOf(drive: string, wanted: string): string | undefined {
    const root = this.#rootOf(drive);
    if (root === undefined) return undefined;
    const name = isGiven(root) ? root : wanted;
    if (this.#made.has(name)) return name;
    const known = this.#unknown.length;
    const tree = this.#tree(root, 0, name);
    if (this.#unknown.length > known || typeof tree !== "object") return undefined;
    this.#made.add(name);
    this.blockdevs.push({ ...tree, "node-name": name });
    return name;
  }

  #rootOf(drive: string): string | undefined {
    if (drive === "") return undefined;
    const { nodes, devices } = this.#blocks;
    if (nodes.some((node) => node["node-name"] === drive)) return drive;
    return devices.find(({ device }) => device === drive)?.inserted?.["node-name"];
  }

  /** The node with what is below it; the name of one that is there already. */
  #tree(name: string, depth: number, wanted = name): Part | string {
    const node = this.#blocks.nodes.find((one) => one["node-name"] === name);
    if (node === undefined || depth > DEPTH_MAX) {
      this.#unknown.push(name);
      return {};
    }
    if (isGiven(name) && this.#made.has(name)) return name;
    const children = this.#children.get(name) ?? [];
    const own = this.#ownMembers(node, children.length === 0);
    const given = this.#givenOf(wanted, own);
    const below = children.map((child) => [child.name, this.#tree(child.node, depth + 1)] as const);
    const hasNoBacking =
      given?.backing === null && children.every((child) => child.name !== "backing");
    if (isGiven(name)) this.#made.add(name);
    return {
      ...own,
      ...(isGiven(name) ? { "node-name": name } : {}),
      ...(node.ro ? { "read-only": true } : {}),
      ...cacheOf(node),
      ...hiddenMembers(given),
      ...Object.fromEntries(below),
      ...(hasNoBacking ? { backing: null } : {}),
    };
  }

  #ownMembers({ drv, file }: BlockNode, isLeaf: boolean): Part {
    if (!isLeaf) return { driver: drv };
    if (FILES.test(drv)) {
      const { folder } = this.#blocks;
      return {
        driver: drv,
        filename: isAbsolute(file) || folder === undefined ? file : join(folder, file),
      };
    }
    if (file.startsWith("json:")) return JSON.parse(file.slice("json:".length)) as Part;
    if (/^null-/.test(drv)) return { driver: drv };
    const nbd = drv === "nbd" ? nbdOf(file) : undefined;
    if (nbd === undefined) this.#unknown.push(`${drv} ${file}`);
    return { driver: drv, ...nbd };
  }

  #givenOf(name: string, own: Part): Part | undefined {
    return this.#given.find((given) => {
      if (given.driver !== own.driver) return false;
      if (own.filename !== undefined) return given.filename === own.filename;
      return given["node-name"] === name;
    });
  }
}

/** QEMU names nodes without a name `#block123`. */
function isGiven(name: string): boolean {
  return !name.startsWith("#");
}

function innerNodes(node: Part): Part[] {
  const below = Object.values(node).filter(
    (value): value is Part => typeof value === "object" && value !== null && "driver" in value,
  );
  return [node, ...below.flatMap(innerNodes)];
}

function hiddenMembers(given: Part | undefined): Part {
  const members = Object.entries(given ?? {}).filter(
    ([name, value]) => !SHOWN.includes(name) && !isNode(value) && name !== "cache",
  );
  return Object.fromEntries(members);
}

function isNode(value: unknown): boolean {
  return typeof value === "object" && value !== null && "driver" in value;
}

function cacheOf({ cache }: BlockNode): Part {
  const { direct, "no-flush": noFlush } = Object(cache) as Record<string, unknown>;
  if (direct !== true && noFlush !== true) return {};
  return { cache: { direct: direct === true, "no-flush": noFlush === true } };
}

/** `nbd://host:port/export` and `nbd+unix:///export?socket=path` (block/nbd.c, refresh_filename). */
function nbdOf(file: string): Part | undefined {
  const tcp = /^nbd:\/\/([^/]*):(\d+)(?:\/(.*))?$/.exec(file);
  if (tcp !== null) {
    const [, host, port, name = ""] = tcp;
    return { server: { type: "inet", host, port }, ...(name === "" ? {} : { export: name }) };
  }
  const unix = /^nbd\+unix:\/\/\/([^?]*)\?socket=(.*)$/.exec(file);
  if (unix === null) return undefined;
  const [, name = "", path] = unix;
  return { server: { type: "unix", path }, ...(name === "" ? {} : { export: name }) };
}

function childrenOf({ nodes, graph }: LiveBlocks): Map<string, Child[]> {
  const children = new Map<string, Child[]>();
  for (const node of nodes) {
    const own = node.children?.map((one) => ({ name: one.child, node: one["node-name"] }));
    if (own !== undefined) children.set(node["node-name"] ?? "", own);
  }
  if (graph === undefined) return children;
  const names = new Map(graph.nodes.map(({ id, name }) => [id, name]));
  for (const { name, parent, child } of graph.edges) {
    const above = names.get(parent) ?? "";
    children.set(above, [...(children.get(above) ?? []), { name, node: names.get(child) ?? "" }]);
  }
  return children;
}
