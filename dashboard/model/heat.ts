import type { Fleet } from "../api-types.ts";

export type Cell = {
  readonly host: string;
  readonly state: Fleet["hosts"][number]["state"];
  /** What stands for the state in a small cell. */
  readonly letter: string;
  readonly vms: number;
  /** Committed memory, 0 to 1; absent before the agent has registered. */
  readonly share: number | undefined;
  readonly reservedBytes: number;
  readonly memoryBytes: number | undefined;
  readonly outgoing: number;
  readonly incoming: number;
};

/** One cell for each host: by name, so that a host keeps its place. */
export function heatOf({ hosts }: Fleet): Cell[] {
  return hosts
    .map(({ id, state, vms, usage }): Cell => {
      const { reservedBytes = 0, memoryBytes, outgoing = 0, incoming = 0 } = usage ?? {};
      const isKnown = memoryBytes !== undefined && memoryBytes > 0;
      return {
        host: id,
        state,
        letter: letters[state],
        vms,
        share: isKnown ? Math.min(1, reservedBytes / memoryBytes) : undefined,
        reservedBytes,
        memoryBytes,
        outgoing,
        incoming,
      };
    })
    .toSorted((a, b) => a.host.localeCompare(b.host, "en", { numeric: true }));
}

const letters: Readonly<Record<Cell["state"], string>> = {
  joining: "J",
  active: "",
  cordoned: "C",
  draining: "D",
  silent: "!",
  maintenance: "M",
  retiring: "R",
  retired: "R",
};
