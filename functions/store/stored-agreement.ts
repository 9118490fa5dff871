import { deflateRawSync, inflateRawSync } from "node:zlib";
import * as z from "zod";
import { Agreement } from "../../core/negotiate/agreement.ts";

/** Begins a compressed text in base 64. A text without it is JSON, written by an earlier version. */
const COMPRESSED = "deflate:";

/**
 * Every update of a record is charged by the size of all of it, and an agreement names each parameter
 * of both sides: it was more than half. No expression reads parts of it.
 */
export function toStoredAgreement(agreement: Agreement): string {
  return `${COMPRESSED}${deflateRawSync(JSON.stringify(agreement)).toString("base64")}`;
}

export const StoredAgreement = z
  .string()
  .transform((text): unknown => JSON.parse(textOf(text)))
  .pipe(Agreement);

function textOf(stored: string): string {
  if (!stored.startsWith(COMPRESSED)) return stored;
  return inflateRawSync(Buffer.from(stored.slice(COMPRESSED.length), "base64")).toString("utf8");
}
