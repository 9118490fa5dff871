import { createHash, timingSafeEqual } from "node:crypto";

/** SHA-256 of a token or key, hex: all that is ever stored of it. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/**
 * True when `Authorization: Bearer …` carries the secret whose hash is given. The comparison takes
 * the same time wherever the two differ; tokens are high in entropy, so a plain hash is enough.
 */
export function bearerMatches(authorization: string | undefined, hash: string): boolean {
  const secret = /^Bearer ([\x21-\x7e]{1,512})$/.exec(authorization ?? "")?.[1];
  if (secret === undefined) return false;
  const given = Buffer.from(hashSecret(secret), "hex");
  const expected = Buffer.from(hash, "hex");
  return given.length === expected.length && timingSafeEqual(given, expected);
}
