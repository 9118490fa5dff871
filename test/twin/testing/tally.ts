import type { Outcome } from "./bed.ts";

/** Counts what was made and found, and prints it with the cost. */
export class Tally {
  #made = 0;
  #found = 0;
  #equal = 0;
  #falseAlarms = 0;
  readonly #checkMs: number[] = [];

  addDifference({ check, refusal }: Outcome, found: RegExp): void {
    this.#made += 1;
    const isFound = check.differences.some(({ name }) => found.test(name));
    if (isFound && refusal !== undefined) this.#found += 1;
    this.#checkMs.push(check.checkMs);
  }

  addEqual({ check }: Outcome): void {
    this.#equal += 1;
    this.#falseAlarms += check.differencesTotal;
    this.#checkMs.push(check.checkMs);
  }

  /** The last line is JSON. */
  print(): void {
    const sorted = this.#checkMs.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)];
    console.log(
      JSON.stringify({
        differences: { made: this.#made, found: this.#found, falseAlarms: this.#falseAlarms },
        equalMachines: this.#equal,
        checkMs: { median: at(0.5), p90: at(0.9), max: at(1) },
      }),
    );
  }
}
