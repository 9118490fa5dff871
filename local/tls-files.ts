import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { isIP } from "node:net";

/** A certificate with its chain, and its key, both PEM. */
export type TlsFiles = { readonly cert: string; readonly key: string };

/** What is wrong with the certificate or its key, for the user. */
export class TlsError extends Error {
  override name = "TlsError";
}

/**
 * Reads a certificate and its key, and checks what agents would find out one by one.
 *
 * @param name that agents connect to: a host name or an address
 * @throws TlsError naming the file, what is wrong with it and what to do
 */
export function readTlsFiles(
  { certFile, keyFile }: { certFile: string; keyFile: string },
  name: string,
  nowMs = Date.now(),
): TlsFiles {
  const cert = read(certFile);
  const key = read(keyFile);
  if ((statSync(keyFile).mode & 0o007) !== 0) {
    throw new TlsError(`${keyFile} may be read by everybody: chmod 640 ${keyFile}`);
  }
  const certificate = parse(certFile, "a certificate (PEM)", () => new X509Certificate(cert));
  const privateKey = parse(keyFile, "a private key (PEM, without a passphrase)", () =>
    createPrivateKey(key),
  );
  requireFit({ certificate, privateKey, certFile, keyFile }, name, nowMs);
  return { cert, key };
}

function requireFit(
  own: { certificate: X509Certificate; privateKey: KeyObject; certFile: string; keyFile: string },
  name: string,
  nowMs: number,
): void {
  const { certificate, privateKey, certFile, keyFile } = own;
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new TlsError(`${keyFile} is not the key of the certificate in ${certFile}`);
  }
  const { validFrom, validTo } = certificate;
  if (Date.parse(validFrom) > nowMs || Date.parse(validTo) < nowMs) {
    throw new TlsError(
      `The certificate in ${certFile} is valid from ${validFrom} to ${validTo}, and it is ` +
        `${new Date(nowMs).toISOString()}: renew it, or set the clock`,
    );
  }
  const isFor = isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name);
  if (isFor !== undefined) return;
  throw new TlsError(
    `The certificate in ${certFile} is for ${certificate.subjectAltName ?? "no name"}, not for ` +
      `${name}, which agents would connect to: get one for it, or name another --public-url`,
  );
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new TlsError(`Failed to read ${file}: ${(error as Error).message}`);
  }
}

function parse<T>(file: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new TlsError(`Expected ${what} in ${file}: ${(error as Error).message}`);
  }
}
