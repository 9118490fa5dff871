import { randomBytes } from "node:crypto";

/** The parts of a task token that name its task; the nonce makes it hard to guess. */
export type TokenParts = {
  readonly executionKey: string;
  readonly frame: number;
};

/**
 * A new task token. It names its task, so that a process started after a crash finds the task
 * without an index of tokens; the whole token is compared with the one the task stored.
 */
export function createToken(parts: TokenParts): string {
  const nonce = randomBytes(18).toString("base64url");
  return `${PREFIX}.${parts.executionKey}.${parts.frame}.${nonce}`;
}

/** The parts of a token; undefined if it is not one. */
export function parseToken(token: string): TokenParts | undefined {
  const match = TOKEN.exec(token);
  if (!match?.[1] || !match[2]) return undefined;
  return { executionKey: match[1], frame: Number(match[2]) };
}

const PREFIX = "task1";
const TOKEN = /^task1\.([0-9a-f]{32})\.(\d{1,9})\.[A-Za-z0-9_-]{24}$/;
