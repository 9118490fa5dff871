import { compareReadings } from "../../core/twin/compare.ts";
import type { Comparison } from "../../core/twin/comparison.ts";
import type { Parts, Reading } from "../../core/twin/reading.ts";
import type { Trial } from "./trial.ts";

/**
 * Compares a running guest with a trial of its definition. Networks lead nowhere in a trial and devices
 * that only one process can have are left out, so neither is compared here; the twin check of a
 * migration compares them.
 */
export function compareTrial(running: Reading, { reading, leftOut }: Trial): Comparison {
  const places = placesOf(running, leftOut);
  return compareReadings(without(running, places), without(reading, places));
}

function placesOf({ parts }: Reading, types: readonly string[]): string[] {
  return Object.entries(parts.device)
    .filter(([, { type }]) => type !== undefined && types.includes(type))
    .map(([place]) => place);
}

function without({ qemu, parts }: Reading, places: readonly string[]): Reading {
  const isLeft = (part: string) =>
    !places.some((place) => part === place || part.startsWith(`${place}/`));
  const kept = Object.entries(parts).map(([kind, inKind]) => {
    if (kind === "network peer") return [kind, {}];
    const entries = Object.entries(inKind).filter(([part]) => isLeft(part));
    return [kind, Object.fromEntries(entries)];
  });
  return { qemu, parts: Object.fromEntries(kept) as Parts };
}
