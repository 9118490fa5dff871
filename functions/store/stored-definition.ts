import * as z from "zod";
import { jsonBytes } from "../../core/size-limits.ts";

/**
 * As a map of DynamoDB, JSON may grow by half. So that the longest definition fits an item together
 * with all that is stored beside it, a definition of more than so many bytes is stored as text.
 */
const MAP_BYTES_MAX = 32 * 1024;

/** The attribute of a definition. */
export function toStored<T extends object>(definition: T): T | string {
  return jsonBytes(definition) > MAP_BYTES_MAX ? JSON.stringify(definition) : definition;
}

/** Reads it, whichever it is. */
export function storedAs<T extends z.ZodType>(schema: T) {
  return z.preprocess((value) => (typeof value === "string" ? JSON.parse(value) : value), schema);
}
