import type { Blocker } from "./agreement.ts";
import type { BothSides } from "./sides.ts";

/** Memory that the guest needs on the target, bytes: memory devices may add to its definition's. */
export function neededBytes({ source, definition }: Pick<BothSides, "source" | "definition">) {
  return Math.max(definition.memoryBytes, source.memoryBytes);
}

/** A target without room for the guest. Both in bytes. */
export function memoryBlockers(memory: { neededBytes: number; freeBytes: number }): Blocker[] {
  if (memory.freeBytes >= memory.neededBytes) return [];
  return [
    {
      code: "memory-short",
      field: "target.memoryFreeBytes",
      message: `Expected ${memory.neededBytes} bytes of memory to be free on the target, got ${memory.freeBytes}`,
      cure: `Free ${memory.neededBytes - memory.freeBytes} bytes on the target, or choose another host`,
    },
  ];
}
