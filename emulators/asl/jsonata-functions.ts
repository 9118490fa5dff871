import { createHash, randomUUID } from "node:crypto";
import jsonata from "jsonata";

/**
 * The functions that Step Functions adds to JSONata, and JSONata's two clock functions on the
 * engine's clock.
 */
export function jsonataFunctions(now: () => number): Record<string, unknown> {
  return {
    partition,
    range,
    hash,
    random,
    uuid: () => randomUUID(),
    parse,
    now: (picture?: string, timezone?: string) =>
      picture === undefined
        ? new Date(now()).toISOString()
        : fromMillis.evaluate(undefined, { at: now(), picture, timezone }),
    millis: () => now(),
    // Step Functions has no $eval: a binding of undefined hides the built-in one.
    eval: undefined,
  };
}

const fromMillis = jsonata("$fromMillis($at, $picture, $timezone)");
const RANGE_ITEMS_MAX = 10_000;
const algorithms: Readonly<Record<string, string>> = {
  MD5: "md5",
  "SHA-1": "sha1",
  "SHA-256": "sha256",
  "SHA-384": "sha384",
  "SHA-512": "sha512",
};

function partition(items: unknown, size: unknown): unknown[][] | undefined {
  if (items === undefined) return undefined;
  if (!Number.isInteger(size) || Number(size) < 1) {
    throw new Error("$partition: the second argument must be a positive integer");
  }
  const list = Array.isArray(items) ? items : [items];
  const chunkSize = Number(size);
  const count = Math.ceil(list.length / chunkSize);
  return Array.from({ length: count }, (_, index) =>
    list.slice(index * chunkSize, (index + 1) * chunkSize),
  );
}

function range(first: unknown, last: unknown, delta: unknown = 1): number[] {
  const start = requireNumber(first);
  const end = requireNumber(last);
  const step = requireNumber(delta);
  if (step === 0) throw new Error("$range: the third argument must not be 0");
  const count = Math.max(0, Math.floor((end - start) / step) + 1);
  if (count > RANGE_ITEMS_MAX) throw new Error(`$range: more than ${RANGE_ITEMS_MAX} items`);
  return Array.from({ length: count }, (_, index) => start + index * step);
}

function requireNumber(value: unknown): number {
  if (typeof value === "number") return value;
  throw new Error("$range: every argument must be a number");
}

function hash(data: unknown, algorithm: unknown = "SHA-256"): string | undefined {
  if (data === undefined) return undefined;
  const name = algorithms[String(algorithm)];
  if (!name) throw new Error(`$hash: algorithm must be one of ${Object.keys(algorithms)}`);
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return createHash(name).update(text).digest("hex");
}

/** A number in [0, 1). The same seed gives the same number. */
function random(seed?: unknown): number {
  if (seed === undefined) return Math.random();
  const digest = createHash("sha256").update(String(seed)).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48;
}

function parse(text: unknown): unknown {
  if (text === undefined) return undefined;
  if (typeof text !== "string") throw new Error("$parse: the argument must be a string");
  return JSON.parse(text);
}
