import { createHash, timingSafeEqual } from "node:crypto";

/** SHA-256 of a token or key, hex. Only the hash is ever stored. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/**
 * True when `Authorization: Bearer …` holds the secret with the given hash. The comparison takes
 * constant time. Tokens have high entropy, so a plain hash is enough.
 */
export function bearerMatches(authorization: string | undefined, hash: string): boolean {
  const secret = /^Bearer (.*)$/s.exec(authorization ?? "")?.[1];
  return secretMatches(secret, hash);
}

/** True for the secret with the given hash, in constant time. */
export function secretMatches(secret: string | undefined, hash: string): boolean {
  if (secret === undefined || !/^[\x21-\x7e]{1,512}$/.test(secret)) return false;
  const given = Buffer.from(hashSecret(secret), "hex");
  const expected = Buffer.from(hash, "hex");
  return given.length === expected.length && timingSafeEqual(given, expected);
}
