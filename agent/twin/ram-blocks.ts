const BLOCK = /^\s*(\S.*?)\s+\d+ [KMG]iB\s+0x[0-9a-f]+\s+0x[0-9a-f]+\s+0x([0-9a-f]+)/;

/**
 * Parses `info ramblock` (QEMU system/physmem.c, ram_block_format): the name of each RAM block as the
 * stream has it, with the size that it can have at most, bytes.
 */
export function parseRamBlocks(text: string): Map<string, bigint> {
  const blocks = new Map<string, bigint>();
  for (const line of text.split("\n")) {
    const [, name, total] = BLOCK.exec(line) ?? [];
    if (name !== undefined && total !== undefined) blocks.set(name, BigInt(`0x${total}`));
  }
  return blocks;
}
