/**
 * The QEMU versions whose behaviour is known here, oldest first. Each stands for a generation of
 * QEMU's migration code: 7.2 knows no switchover ACK, 10.0 the legacy one, 11.1 the re-usable one.
 */
export const generations = ["7.2", "10.0", "11.1"] as const;
export type Generation = (typeof generations)[number];

/**
 * The generation of a version such as `10.0.13`: the newest one that is not newer. Undefined below
 * 7.2.
 */
export function generationOf(version: string): Generation | undefined {
  return generations.findLast((generation) => !isNewer(generation, version));
}

export function since(generation: Generation): readonly Generation[] {
  return generations.slice(generations.indexOf(generation));
}

/** The value for a generation: that of the newest listed one that is not newer. */
export function pick<T>(
  generation: Generation,
  values: { "7.2": T } & Partial<Record<Generation, T>>,
): T {
  const known = generations.slice(0, generations.indexOf(generation) + 1);
  const newest = known.findLast((candidate) => candidate in values) ?? "7.2";
  return values[newest] as T;
}

function isNewer(left: string, right: string): boolean {
  const [leftMajor = 0, leftMinor = 0] = left.split(".").map(Number);
  const [rightMajor = 0, rightMinor = 0] = right.split(".").map(Number);
  return leftMajor !== rightMajor ? leftMajor > rightMajor : leftMinor > rightMinor;
}
