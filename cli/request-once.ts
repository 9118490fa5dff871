import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isConnectionFailure } from "./exit/exit-of.ts";
import type { Session } from "./session.ts";

/** Requests of one thing while the connection fails. */
const TRIES_MAX = 3;
const PAUSE_MS = 500;

/** Repeats a request while the connection fails: the Idempotency-Key makes it one. */
export async function requestOnce<T>(
  session: Session,
  request: (key: string) => Promise<T>,
): Promise<T> {
  const key = `cli-${randomUUID()}`;
  if (session.verbose) session.output.note(`Idempotency-Key: ${key}`);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request(key);
    } catch (error) {
      if (!isConnectionFailure(error) || attempt >= TRIES_MAX) throw error;
      await sleep(PAUSE_MS * attempt);
    }
  }
}
