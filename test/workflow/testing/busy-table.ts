import { type BusyCause, busyError } from "../../../emulators/aws/dynamodb/busy.ts";
import type { DynamodbOptions } from "../../../emulators/aws/dynamodb/dynamodb.ts";

/** Single writes and transactions meet others; batches are refused for their rate only. */
const CONFLICTING = new Set(["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"]);

/**
 * A table in which each write meets another one at its first calls: the same request is refused so many
 * times, and then done. The SDK repeats no conflict by itself.
 */
export class BusyTable {
  /** Refusals of each call. */
  times = 0;
  /** Why transactions are refused. */
  cause: BusyCause = "conflict";
  /** Refusals so far, by operation. */
  readonly refused = new Map<string, number>();
  readonly #seen = new Map<string, number>();

  readonly refuse: NonNullable<DynamodbOptions["refuse"]> = (operation, input) => {
    if (!CONFLICTING.has(operation)) return undefined;
    // A token is drawn for each attempt, and times differ.
    const name = `${operation} ${JSON.stringify(keysOf(input))}`;
    const seen = this.#seen.get(name) ?? 0;
    if (seen === this.times) {
      this.#seen.delete(name);
      return undefined;
    }
    this.#seen.set(name, seen + 1);
    this.refused.set(operation, (this.refused.get(operation) ?? 0) + 1);
    // The SDK itself repeats a throttled single write, after half a second.
    const cause = operation === "TransactWriteItems" ? this.cause : "conflict";
    return busyError(operation, input, cause);
  };

  reset(times: number, cause: BusyCause = "conflict"): void {
    this.times = times;
    this.cause = cause;
    this.refused.clear();
    this.#seen.clear();
  }
}

type Parts = { Key?: unknown; Item?: { pk?: unknown; sk?: unknown } };

/** The items that a call writes. */
function keysOf(input: Record<string, unknown>): unknown {
  const { TransactItems } = input as { TransactItems?: Record<string, Parts>[] };
  if (TransactItems === undefined) return keyOf(input);
  return TransactItems.map((item) => Object.values(item).map(keyOf));
}

function keyOf({ Key, Item }: Parts): unknown {
  return Key ?? { pk: Item?.pk, sk: Item?.sk };
}
