import { createHash } from "node:crypto";
import type { Qemu } from "../qemu.ts";

/** A side's TLS credentials, as the handshake compares them. */
export type Credentials =
  | { readonly kind: "off" }
  | { readonly kind: "missing"; readonly error: string }
  /** Both ends of a handshake that works have the same `secret`. */
  | { readonly kind: "on"; readonly secret: string };

const secretFiles: Readonly<Record<string, string>> = {
  "tls-creds-psk": "keys.psk",
  "tls-creds-x509": "ca-cert.pem",
};

/** What the parameter tls-creds of this process stands for, when it acts as `endpoint`. */
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
  const file = secretFiles[object.type];
  const content = file ? qemu.host.readFile(`${object.properties.dir}/${file}`) : "anonymous";
  const secret = createHash("sha256")
    .update(content ?? "")
    .digest("hex");
  return { kind: "on", secret: `${object.type}:${secret}` };
}
