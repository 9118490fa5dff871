import { createHash } from "node:crypto";

const ROUNDS = 150_000;

/** How long a fixed piece of work takes, ms: makes runs on a shared machine comparable. */
export function loopMs(): number {
  const startedMs = performance.now();
  let text = "";
  for (let round = 0; round < ROUNDS; round += 1) {
    text = createHash("sha256").update(text).digest("hex");
  }
  return Math.round(performance.now() - startedMs);
}
