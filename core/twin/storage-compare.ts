import { placeLabel } from "./compare.ts";
import {
  ACCEPTED,
  type Comparison,
  type Difference,
  type HarmlessDifference,
  LISTED_MAX,
  type ProvedFile,
  shortName,
  shortText,
  shortValue,
} from "./comparison.ts";
import type { Reading } from "./reading.ts";
import { FILES_MAX, type FilePair, type StorageProof } from "./storage.ts";
import { type Inspections, type Sides, storageDifference, unsafeCache } from "./storage-proof.ts";

/** What is known of one pair of files in the end. */
export type StorageFinding = {
  readonly pair: FilePair;
  readonly proof?: StorageProof | undefined;
  readonly inspections?: Inspections | undefined;
};

type Readings = { readonly source: Reading; readonly target: Reading };

/**
 * Adds to a comparison what is known of the storage: how each file was proved the same, and what is
 * not proved or not safe as differences.
 *
 * @param accepted names of differences that the policy accepts
 */
export function addStorage(
  comparison: Comparison,
  { source, target }: Readings,
  findings: readonly StorageFinding[],
  sides: Sides,
  accepted: readonly string[],
): Comparison {
  const proved: ProvedFile[] = [];
  const found: Difference[] = tooManyFiles(source, target);
  for (const { pair, proof, inspections } of findings) {
    const { place, name } = pair.source;
    const label = `disk ${place}${placeLabel(place, source)}`;
    if (proof === undefined) {
      found.push(difference(`${label}: storage ${name}`, storageDifference(pair, inspections)));
    } else {
      proved.push({ name: shortName(`${label}: ${name}`), proof });
    }
    const cache = unsafeCache(pair, sides);
    if (cache !== undefined) found.push(difference(`${label}: cache of ${name}`, cache));
  }
  const blocking = found.filter(({ name }) => !accepted.includes(name));
  const harmless = found.filter(({ name }) => accepted.includes(name)).map(asHarmless);
  return {
    ...comparison,
    differences: [...comparison.differences, ...blocking].slice(0, LISTED_MAX),
    differencesTotal: comparison.differencesTotal + blocking.length,
    harmless: [...comparison.harmless, ...harmless].slice(0, LISTED_MAX),
    harmlessTotal: comparison.harmlessTotal + harmless.length,
    storage: { files: proved.slice(0, LISTED_MAX), filesTotal: proved.length },
  };
}

type Values = Pick<Difference, "source" | "target" | "cure">;

function difference(name: string, { source, target, cure }: Values): Difference {
  const value = (text: string | null) => (text === null ? null : shortValue(text));
  return {
    name: shortName(name),
    source: value(source),
    target: value(target),
    cure: shortText(cure),
    about: "storage",
  };
}

function asHarmless({ name, source, target }: Difference): HarmlessDifference {
  return { name, source, target, reason: ACCEPTED };
}

/** A side whose files are not all known: an agent of another version, or more files than are read. */
function tooManyFiles(source: Reading, target: Reading): Difference[] {
  const counts = { source: filesOf(source), target: filesOf(target) };
  const values = [counts.source, counts.target];
  if (values.every((count) => count !== undefined && count <= FILES_MAX)) return [];
  const value = (count: number | undefined) => (count === undefined ? null : `${count} files`);
  return [
    difference("storage of all disks", {
      source: value(counts.source),
      target: value(counts.target),
      cure: `let agents of the same version run on both hosts; at most ${FILES_MAX} image files are inspected`,
    }),
  ];
}

function filesOf({ storage }: Reading): number | undefined {
  return storage?.filesTotal;
}
