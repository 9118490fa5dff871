import { createHash } from "node:crypto";
import type { AttributeValue } from "@aws-sdk/client-dynamodb";

/** As DynamoDB's low-level API has it. */
export type TableItem = Record<string, AttributeValue>;

/** One line for an item; two equal items have the same one. */
export function textOf(item: TableItem): string {
  return JSON.stringify(item, (name, value: unknown) => {
    if (value instanceof Uint8Array)
      throw new Error("The table has binary values, which no line holds");
    if (Array.isArray(value)) return name === "SS" || name === "NS" ? value.toSorted() : value;
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** Counts items, and makes a digest that does not depend on their order. */
export class Tally {
  items = 0;
  readonly #sum = Buffer.alloc(32);

  add(text: string): void {
    this.items += 1;
    const hash = createHash("sha256").update(text).digest();
    for (const [place, byte] of hash.entries()) this.#sum[place] = (this.#sum[place] ?? 0) ^ byte;
  }

  get digest(): string {
    return this.#sum.toString("hex");
  }
}
