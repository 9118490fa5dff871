import { readFileSync } from "node:fs";
import { setDefaultCACertificates } from "node:tls";

/**
 * From now on this process connects by TLS to those only whose certificates one of these authorities
 * has signed.
 *
 * @throws Error naming the file
 */
export function trustOnly(caFile: string): void {
  try {
    const certificates = readFileSync(caFile, "utf8");
    if (!certificates.includes("-----BEGIN CERTIFICATE-----")) throw new Error("it has none");
    setDefaultCACertificates([certificates]);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`Expected certificates (PEM) in caFile ${caFile}: ${reason}`, { cause: error });
  }
}
