import { isAbsolute, join } from "node:path";
import type { Properties } from "../../core/twin/reading.ts";
import { hasPath } from "../../core/twin/storage.ts";
import type { BlockDevice, BlockGraph, BlockNode } from "../../qmp/device.ts";
import type { DiskEnd } from "../storage/stored-files.ts";

export type BlockReading = {
  readonly devices: readonly BlockDevice[];
  readonly nodes: readonly BlockNode[];
  /** Where nodes do not name their children (before 10.1). */
  readonly graph?: BlockGraph | undefined;
  /** The folder in which QEMU looks for files with a relative name. */
  readonly folder?: string | undefined;
};

type Child = { readonly name: string; readonly node: string };

/** Deeper chains are cut: QEMU itself opens some 200 images at most. */
const DEPTH_MAX = 250;
export const NO_MEDIUM = "no medium";

/** Resolves what a device's `drive` names to its chain of nodes, down to the files. */
export class Disks {
  readonly #nodes = new Map<string, BlockNode>();
  readonly #roots = new Map<string, string>();
  readonly #children: Map<string, Child[]>;
  readonly #folder: string | undefined;

  constructor({ devices, nodes, graph, folder }: BlockReading) {
    for (const node of nodes) this.#nodes.set(node["node-name"] ?? "", node);
    for (const { device, inserted } of devices) {
      const root = inserted?.["node-name"];
      if (device !== "" && root !== undefined) this.#roots.set(device, root);
    }
    this.#children = childrenOf(nodes, graph);
    this.#folder = folder;
  }

  /** @param drive a node's name or the id of a `-drive`; empty: no medium */
  of(drive: string): Properties {
    const name = this.#nodes.has(drive) ? drive : (this.#roots.get(drive) ?? "");
    const node = this.#nodes.get(name);
    if (node === undefined) return { chain: NO_MEDIUM };
    const size = node.image?.["virtual-size"];
    return {
      chain: this.#chain(name, 0),
      "read-only": String(node.ro),
      ...(size === undefined ? {} : { "size in bytes": String(size) }),
    };
  }

  /** The ends of the chain, in the order in which the chain names them. */
  leaves(drive: string): Omit<DiskEnd, "place">[] {
    const name = this.#nodes.has(drive) ? drive : (this.#roots.get(drive) ?? "");
    return this.#leaves(name, 0);
  }

  /** Drivers from this node down; where it has more than one child, the children's names end them. */
  drivers(name: string, depth = 0): string[] {
    const node = this.#nodes.get(name);
    if (node === undefined || depth > DEPTH_MAX) return ["?"];
    const [only, ...others] = this.#children.get(name) ?? [];
    if (only === undefined) return [node.drv];
    if (others.length === 0) return [node.drv, ...this.drivers(only.node, depth + 1)];
    return [node.drv, [only, ...others].map((child) => child.name).join(" and ")];
  }

  #leaves(name: string, depth: number): Omit<DiskEnd, "place">[] {
    const node = this.#nodes.get(name);
    if (node === undefined || depth > DEPTH_MAX) return [];
    const children = this.#children.get(name) ?? [];
    if (children.length > 0) {
      const inOrder = children.toSorted((a, b) => (a.name < b.name ? -1 : 1));
      return inOrder.flatMap((child) => this.#leaves(child.node, depth + 1));
    }
    const leaf = {
      driver: node.drv,
      name: this.#file(node),
      isReadOnly: node.ro,
      isDirect: node.cache?.direct ?? false,
      ignoresFlush: node.cache?.["no-flush"] ?? false,
    };
    return [leaf];
  }

  /** `qcow2(backing: raw(file: file /a), file: file /b)` */
  #chain(name: string, depth: number): string {
    const node = this.#nodes.get(name);
    if (node === undefined || depth > DEPTH_MAX) return "?";
    const children = this.#children.get(name) ?? [];
    if (children.length === 0) return `${node.drv} ${this.#file(node)}`;
    const [only] = children;
    // A raw layer that begins and ends with its file changes nothing; with an offset, the name differs.
    if (
      node.drv === "raw" &&
      only !== undefined &&
      this.#nodes.get(only.node)?.file === node.file
    ) {
      return this.#chain(only.node, depth + 1);
    }
    const inner = children
      .map((child) => `${child.name}: ${this.#chain(child.node, depth + 1)}`)
      .sort();
    return `${node.drv}(${inner.join(", ")})`;
  }

  #file({ drv, file }: BlockNode): string {
    if (!hasPath(drv) || this.#folder === undefined || isAbsolute(file)) return file;
    return join(this.#folder, file);
  }
}

function childrenOf(
  nodes: readonly BlockNode[],
  graph: BlockGraph | undefined,
): Map<string, Child[]> {
  if (graph === undefined) {
    const listed = nodes.map((node) => {
      const children = node.children ?? [];
      return [
        node["node-name"] ?? "",
        children.map((one) => ({ name: one.child, node: one["node-name"] })),
      ] as const;
    });
    return new Map(listed);
  }
  const names = new Map(graph.nodes.map(({ id, name }) => [id, name]));
  const children = new Map<string, Child[]>();
  for (const { name, parent, child } of graph.edges) {
    const above = names.get(parent) ?? "";
    children.set(above, [...(children.get(above) ?? []), { name, node: names.get(child) ?? "" }]);
  }
  return children;
}
