import type { HostResource } from "../host-resources.ts";
import type { DefinitionParts } from "./parts.ts";

/** The one file that a disk of a definition consists of. */
export type DiskImage = {
  readonly format: "raw" | "qcow2";
  readonly filename: string | HostResource;
};

type Node = Readonly<Record<string, unknown>>;

/**
 * The image of a disk, by the name of its block node; or why it is not one image file that a copy could
 * take the place of.
 */
export function diskImageOf(
  { blockdevs }: Pick<DefinitionParts, "blockdevs">,
  disk: string,
): DiskImage | { problem: string } {
  const node = blockdevs.find((one) => one["node-name"] === disk);
  if (node === undefined) {
    const names = blockdevs.map((one) => String(one["node-name"])).join(", ");
    return { problem: `the definition has no block node ${disk}; it has ${names || "none"}` };
  }
  if (node["read-only"] === true) return { problem: "it is read-only" };
  const extra = ["offset", "size", "backing", "data-file", "encrypt"].find(
    (member) => node[member] !== undefined && node[member] !== null,
  );
  if (extra !== undefined) return { problem: `its block node has \`${extra}\`` };
  const { driver } = node;
  if (driver === "file") return imageOf("raw", node);
  if (driver !== "raw" && driver !== "qcow2") return { problem: `its driver is ${driver}` };
  const file = typeof node.file === "string" ? named(blockdevs, node.file) : node.file;
  return imageOf(driver, (file ?? {}) as Node);
}

function named(blockdevs: readonly Node[], name: string): Node | undefined {
  return blockdevs.find((one) => one["node-name"] === name);
}

function imageOf(format: "raw" | "qcow2", node: Node): DiskImage | { problem: string } {
  const { driver, filename } = node;
  if (driver !== "file") return { problem: `its storage is ${driver}, not a file` };
  return { format, filename: filename as DiskImage["filename"] };
}
