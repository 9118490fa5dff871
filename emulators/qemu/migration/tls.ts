import { createHash } from "node:crypto";
import type { Qemu, UserObject } from "../qemu.ts";

/** A side's TLS credentials, as the handshake compares them. */
export type Credentials =
  | { readonly kind: "off" }
  | { readonly kind: "missing"; readonly error: string }
  /** Exactly one of these is what a client presents, and what a server accepts. */
  | { readonly kind: "on"; readonly secrets: readonly string[] };

/** Error of a client whose handshake failed; only the server knows the reason. */
export const handshakeFailed =
  "TLS handshake failed: The TLS connection was non-properly terminated.";

/**
 * The credentials that the parameter tls-creds of this process names, when it acts as `endpoint`.
 */
export function findCredentials(qemu: Qemu, endpoint: "client" | "server"): Credentials {
  const id = String(qemu.parameters["tls-creds"] ?? "");
  if (id === "") return { kind: "off" };
  const object = qemu.objects.get(id);
  if (!object) return { kind: "missing", error: `No TLS credentials with id '${id}'` };
  if (!object.type.startsWith("tls-creds-")) {
    return { kind: "missing", error: `Object with id '${id}' is not TLS credentials` };
  }
  // QEMU's default for the endpoint is `client`.
  if ((object.properties.endpoint ?? "client") !== endpoint) {
    return {
      kind: "missing",
      error: `Expected TLS credentials for a ${endpoint} endpoint`,
    };
  }
  const texts = object.secret === undefined ? readSecrets(qemu, object) : [object.secret];
  return { kind: "on", secrets: texts.map((text) => `${object.type} ${hash(text)}`) };
}

/** Why a server refuses a client that presents `shown`; undefined: it does not. */
export function whyRefused(
  { secrets }: Extract<Credentials, { kind: "on" }>,
  shown: string | undefined,
): string | undefined {
  if (shown === undefined) return "TLS handshake failed: An unexpected TLS packet was received.";
  if (secrets.includes(shown)) return undefined;
  const typeOf = (secret: string | undefined) => secret?.split(" ", 1)[0];
  return typeOf(secrets[0]) === typeOf(shown)
    ? "TLS handshake failed: An illegal parameter has been received."
    : "TLS handshake failed: No supported cipher suites have been found.";
}

/** The lines `user:key` of a PSK file. */
export function readKeys(content: string): string[] {
  return content.split("\n").filter((line) => line.includes(":"));
}

/** A server reads its keys at each handshake. */
function readSecrets({ host }: Qemu, { type, properties }: UserObject): string[] {
  if (type === "tls-creds-psk") return readKeys(host.readFile(`${properties.dir}/keys.psk`) ?? "");
  if (type === "tls-creds-x509") return [host.readFile(`${properties.dir}/ca-cert.pem`) ?? ""];
  return [type];
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
