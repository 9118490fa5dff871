import type { IdempotencyTokens } from "./idempotency-tokens.ts";
import type { Store } from "./store.ts";
import type { TimeToLive } from "./time-to-live.ts";

/** What the operations work on. */
export type DynamodbContext = {
  store: Store;
  timeToLive: TimeToLive;
  tokens: IdempotencyTokens;
};
