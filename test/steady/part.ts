import { InvalidArgumentError } from "commander";

/** The k-th of n parts. */
export type Part = { k: number; n: number };

const N_MAX = 100;

/** @throws InvalidArgumentError */
export function parsePart(text: string): Part {
  const [, k, n] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (k === undefined || n === undefined || k < 1 || k > n || n > N_MAX) {
    const expected = `Expected k/n with 1 <= k <= n <= ${N_MAX}, such as 1/4`;
    throw new InvalidArgumentError(`${expected}; got "${text}"`);
  }
  return { k, n };
}

/** Every n-th file, so that each part has some of every folder. Without a part: all of them. */
export function partOf(files: readonly string[], part: Part | undefined): string[] {
  return files.filter((_, at) => part === undefined || at % part.n === part.k - 1);
}
