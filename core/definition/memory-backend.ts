/** Only such an object of a definition asks for hugepages or NUMA nodes. */
export function isMemoryBackend(object: Readonly<Record<string, unknown>>): boolean {
  return String(object["qom-type"]).startsWith("memory-backend-");
}

/** The page size of a memfd backend that is made of hugepages, bytes; undefined: ordinary memory. */
export function memfdPageBytes(
  { "qom-type": type, hugetlb, hugetlbsize }: Readonly<Record<string, unknown>>,
  defaultPageBytes: number | undefined,
): number | undefined {
  if (type !== "memory-backend-memfd" || hugetlb !== true) return undefined;
  return typeof hugetlbsize === "number" ? hugetlbsize : defaultPageBytes;
}
