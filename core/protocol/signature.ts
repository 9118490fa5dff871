import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  verify,
} from "node:crypto";
import * as z from "zod";

/** An Ed25519 public key: its 32 bytes, base64url. */
export const PublicKey = z
  .string()
  .regex(/^[A-Za-z0-9_-]{43}$/, "expected an Ed25519 public key: 43 characters of base64url");
export type PublicKey = z.infer<typeof PublicKey>;

/** Names a public key: the first 16 hex digits of its SHA-256. */
export const KeyId = z.string().regex(/^[0-9a-f]{16}$/);
export type KeyId = z.infer<typeof KeyId>;

/** An Ed25519 signature: 64 bytes, base64url. */
export const Signature = z.string().regex(/^[A-Za-z0-9_-]{86}$/);

const HASH_DIGITS = 16;

export function keyIdOf(publicKey: PublicKey): KeyId {
  const hash = createHash("sha256").update(Buffer.from(publicKey, "base64url")).digest("hex");
  return hash.slice(0, HASH_DIGITS);
}

export function publicKeyOf(privateKey: KeyObject): PublicKey {
  return PublicKey.parse(createPublicKey(privateKey).export({ format: "jwk" }).x);
}

/** The form in which a private key is kept: PKCS#8 in DER, base64. */
export function exportPrivateKey(privateKey: KeyObject): string {
  return privateKey.export({ format: "der", type: "pkcs8" }).toString("base64");
}

/** @throws Error when the text is not the PKCS#8 (DER, base64) of an Ed25519 key */
export function importPrivateKey(text: string): KeyObject {
  const key = createPrivateKey({
    key: Buffer.from(text, "base64"),
    format: "der",
    type: "pkcs8",
  });
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new Error(`Expected an Ed25519 key, got ${key.asymmetricKeyType}`);
}

export function signText(privateKey: KeyObject, text: string): string {
  return sign(null, Buffer.from(text), privateKey).toString("base64url");
}

/** False also for what is no signature, or no key. */
export function isSignedBy(publicKey: PublicKey, text: string, signature: string): boolean {
  if (!Signature.safeParse(signature).success) return false;
  try {
    const key = createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: publicKey },
      format: "jwk",
    });
    return verify(null, Buffer.from(text), key, Buffer.from(signature, "base64url"));
  } catch {
    return false;
  }
}
