/**
 * Orders versions as people number them: `6.12.9` before `6.12.41`, `10.0.2` before `11.1`, microcode
 * `0x2b000603` by its number. Parts are compared from the left; a number comes before a word, and
 * what has no more parts comes first.
 *
 * @returns below 0: the first is older; 0: they are the same
 */
export function compareVersions(one: string, other: string): number {
  const parts = partsOf(one);
  const others = partsOf(other);
  for (let index = 0; index < Math.max(parts.length, others.length); index += 1) {
    const found = comparePart(parts[index], others[index]);
    if (found !== 0) return found;
  }
  return 0;
}

type Part = number | string;

function partsOf(version: string): Part[] {
  const found = version.toLowerCase().match(/0x[0-9a-f]+|\d+|[a-z]+/g) ?? [];
  return found.map((part) => (/^(0x|\d)/.test(part) ? Number(part) : part));
}

function comparePart(one: Part | undefined, other: Part | undefined): number {
  if (one === other) return 0;
  if (one === undefined) return -1;
  if (other === undefined) return 1;
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (typeof one === "number") return -1;
  if (typeof other === "number") return 1;
  return one < other ? -1 : 1;
}
