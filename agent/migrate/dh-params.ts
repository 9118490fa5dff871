import { getDiffieHellman } from "node:crypto";

/** 2048 bits, a safe prime (RFC 3526, group 14). */
const GROUP = "modp14";
const INTEGER = 0x02;
const SEQUENCE = 0x30;
const LINE = /.{1,64}/g;

/**
 * A well-known group in PKCS #3, as QEMU reads it from `dh-params.pem` in a folder of credentials.
 * Without the file QEMU 10.0 looks for a prime of its own whenever it makes a server's credentials,
 * which takes a core 0.2 to 6 s (crypto/tlscreds.c, qcrypto_tls_creds_get_dh_params_file).
 */
export function dhParams(): string {
  const group = getDiffieHellman(GROUP);
  const numbers = [group.getPrime(), group.getGenerator()].map(integer);
  const text = element(SEQUENCE, Buffer.concat(numbers)).toString("base64");
  const lines = text.match(LINE) ?? [];
  return ["-----BEGIN DH PARAMETERS-----", ...lines, "-----END DH PARAMETERS-----", ""].join("\n");
}

/** A leading zero says that a number whose first bit is set is positive. */
function integer(number: Buffer): Buffer {
  const isHigh = ((number[0] ?? 0) & 0x80) !== 0;
  return element(INTEGER, isHigh ? Buffer.concat([Buffer.of(0), number]) : number);
}

/** DER with a length of up to 65,535 bytes. */
function element(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}
