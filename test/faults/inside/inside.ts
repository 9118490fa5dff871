import { INSIDE, type Inside } from "./switches.ts";

/** @throws Error outside of a fault campaign. */
export function readInside(): Inside {
  const text = process.env[INSIDE];
  if (text === undefined) throw new Error(`Expected ${INSIDE} to be set`);
  return JSON.parse(text) as Inside;
}
