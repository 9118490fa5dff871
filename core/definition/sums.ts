import type { DefinitionParts } from "./parts.ts";
import type { Problem } from "./references.ts";

/** Numbers of a definition that have to agree: CPUs with their topology, memory with its parts. */
export function sumProblems(definition: DefinitionParts): Problem[] {
  return [
    ...topologyProblems(definition),
    ...memoryProblems(definition),
    ...numaProblems(definition),
  ];
}

function topologyProblems({ cpus, cpuTopology = {} }: DefinitionParts): Problem[] {
  const { maxCpus = cpus, sockets, cores, threads, dies = 1, modules = 1 } = cpuTopology;
  const { clusters = 1 } = cpuTopology;
  if (maxCpus < cpus) {
    const message = `expected at least the ${cpus} \`cpus\`, got ${maxCpus}`;
    return [{ path: ["cpuTopology", "maxCpus"], message }];
  }
  // QEMU computes what is missing of these three (hw/core/machine-smp.c).
  if (sockets === undefined || cores === undefined || threads === undefined) return [];
  const product = sockets * dies * clusters * modules * cores * threads;
  if (product === maxCpus) return [];
  const message = `expected the product of sockets, dies, modules, clusters, cores and threads to be ${maxCpus}, the most vCPUs, got ${product}`;
  return [{ path: ["cpuTopology"], message }];
}

function memoryProblems({ memoryBytes, memory, objects, ...rest }: DefinitionParts): Problem[] {
  const problems: Problem[] = [];
  const { maxBytes, backend } = memory ?? {};
  if (maxBytes !== undefined && maxBytes < memoryBytes) {
    const message = `expected at least the ${memoryBytes} bytes of \`memoryBytes\`, got ${maxBytes}`;
    problems.push({ path: ["memory", "maxBytes"], message });
  }
  if (backend === undefined) return problems;
  if (rest.machineOptions?.["memory-backend"] !== undefined) {
    const message = "expected the memory to be named once, got `memory.backend` beside it";
    problems.push({ path: ["machineOptions", "memory-backend"], message });
  }
  const size = sizeOf(objects, backend);
  if (size !== undefined && size !== memoryBytes) {
    const message = `expected an object of ${memoryBytes} bytes, as \`memoryBytes\`, got ${backend} of ${size}`;
    problems.push({ path: ["memory", "backend"], message });
  }
  return problems;
}

function numaProblems({ numa = [], memory, memoryBytes, objects, ...rest }: DefinitionParts) {
  const problems: Problem[] = [];
  const nodes = new Map<number, string | undefined>();
  const maxCpus = rest.cpuTopology?.maxCpus ?? rest.cpus;
  const placed = new Set<number>();
  for (const [index, entry] of numa.entries()) {
    if (entry.type !== "node") continue;
    const add = (member: string, message: string) =>
      problems.push({ path: ["numa", index, member], message });
    if (nodes.has(entry.nodeid)) {
      add("nodeid", `expected a number that no other node has, got ${entry.nodeid} again`);
    }
    if (entry.memdev !== undefined && [...nodes.values()].includes(entry.memdev)) {
      add("memdev", `expected memory that no other node has, got ${entry.memdev} again`);
    }
    nodes.set(entry.nodeid, entry.memdev);
    for (const cpu of entry.cpus ?? []) {
      if (cpu >= maxCpus) add("cpus", `expected indexes below ${maxCpus}, got ${cpu}`);
      if (placed.has(cpu)) add("cpus", `expected each vCPU in one node, got ${cpu} again`);
      placed.add(cpu);
    }
  }
  const backends = [...nodes.values()].filter((memdev) => memdev !== undefined);
  if (backends.length > 0 && memory?.backend !== undefined) {
    const message = "expected no `memory.backend` where NUMA nodes have their own, got both";
    problems.push({ path: ["memory", "backend"], message });
  }
  return [...problems, ...unknownNodes(numa, nodes), ...numaSum(backends)];

  function numaSum(memdevs: readonly string[]): Problem[] {
    if (nodes.size === 0) return [];
    const sizes = memdevs.map((memdev) => sizeOf(objects, memdev));
    if (sizes.some((size) => size === undefined)) return [];
    const sum = sizes.reduce<number>((total, size) => total + (size ?? 0), 0);
    if (sum === memoryBytes) return [];
    const message = `expected the memory of the nodes (\`memdev\`) to be ${memoryBytes} bytes together, as \`memoryBytes\`, got ${sum}`;
    return [{ path: ["numa"], message }];
  }
}

function unknownNodes(
  numa: NonNullable<DefinitionParts["numa"]>,
  nodes: ReadonlyMap<number, unknown>,
): Problem[] {
  return numa.flatMap((entry, index) => {
    if (entry.type === "node") return [];
    const used: [string, number][] =
      entry.type === "cpu"
        ? [["node-id", entry["node-id"]]]
        : [
            ["src", entry.src],
            ["dst", entry.dst],
          ];
    return used
      .filter(([, node]) => !nodes.has(node))
      .map(([member, node]) => ({
        path: ["numa", index, member],
        message: `expected the \`nodeid\` of a node, got ${node}`,
      }));
  });
}

/** Bytes of a memory object; undefined where it has none, or as text that QEMU reads. */
function sizeOf(objects: DefinitionParts["objects"], id: string): number | undefined {
  const size = objects.find((object) => object.id === id)?.size;
  return typeof size === "number" ? size : undefined;
}
