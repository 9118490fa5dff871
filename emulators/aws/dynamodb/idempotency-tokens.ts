import { createHash } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { dynamodbError } from "./errors.ts";

// DynamoDB remembers a ClientRequestToken for ten minutes after the request finished.
const REMEMBERED_MS = 600_000;

export const IDEMPOTENCY_TOKENS_SCHEMA = `
  CREATE TABLE IF NOT EXISTS tokens (
    token TEXT PRIMARY KEY,
    request TEXT NOT NULL,
    expires_ms INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS tokens_by_expiry ON tokens (expires_ms)`;

export type IdempotencyTokens = ReturnType<typeof createIdempotencyTokens>;

/** The tokens of finished transactions, written in the transaction they stand for. */
export function createIdempotencyTokens(database: DatabaseSync, now: () => number) {
  const prune = database.prepare("DELETE FROM tokens WHERE expires_ms <= ?");
  const select = database.prepare("SELECT request FROM tokens WHERE token = ?");
  const insert = database.prepare(
    "INSERT INTO tokens (token, request, expires_ms) VALUES (?, ?, ?)",
  );

  return {
    /**
     * Records a token; to be called inside the transaction.
     *
     * @returns whether this very request has been carried out before
     * @throws AwsError `IdempotentParameterMismatchException` if another request used the token
     */
    use(token: string, request: unknown): boolean {
      const digest = createHash("sha256").update(JSON.stringify(request)).digest("hex");
      prune.run(now());
      const used = select.get(token);
      if (used?.request === digest) return true;
      if (used) {
        throw dynamodbError(
          "IdempotentParameterMismatchException",
          `\`ClientRequestToken\` ${token} was used for a request with other parameters`,
        );
      }
      insert.run(token, digest, now() + REMEMBERED_MS);
      return false;
    },
  };
}
