import { z } from "zod";
import { VersionOutline, VersionReason } from "../../core/evacuation/version.ts";
import type { EvacuationId } from "../../core/id.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { keys } from "./keys.ts";
import { keptSeconds } from "./retention.ts";
import { expiresIn, getItem, getItems, putItem, putItems } from "./table.ts";

/** Characters of one part of a plan: an item has at most 400 KB, and a character 3 bytes. */
const PART_CHARACTERS = 100_000;
/** A plan of 10,000 moves has about 3.5 million characters. */
const PARTS_MAX = 99;

const StoredVersion = z.object({
  outline: VersionOutline,
  reason: VersionReason,
  /** In what it differs from the version before, for people. */
  changes: z.array(z.string()),
  at: z.iso.datetime(),
  parts: z.int().positive(),
});
export type StoredVersion = z.infer<typeof StoredVersion>;

export type PlanVersion = StoredVersion & { readonly plan: Plan };

/** Of a plan too long to be stored. */
export class PlanTooLong extends Error {
  override name = "PlanTooLong";
}

/**
 * Writes a version, its parts first, so that one that is found is whole. A version that exists is
 * kept: of two writers, the first counts. Returns whether this one did.
 *
 * @throws PlanTooLong
 */
export async function writeVersion(
  id: EvacuationId,
  made: Omit<StoredVersion, "parts"> & { readonly plan: Plan },
): Promise<boolean> {
  const { plan, outline, reason, changes, at } = made;
  const { version } = outline;
  if ((await getItem(keys.planVersion(id, version))) !== undefined) return false;
  const text = JSON.stringify(plan);
  const parts = Math.ceil(text.length / PART_CHARACTERS);
  if (parts > PARTS_MAX) {
    throw new PlanTooLong(`The plan has ${text.length} characters: empty fewer hosts at once`);
  }
  const ttl = expiresIn(keptSeconds.evacuation);
  await putItems(
    Array.from({ length: parts }, (_, part) => ({
      ...keys.planPart(id, version, part),
      text: text.slice(part * PART_CHARACTERS, (part + 1) * PART_CHARACTERS),
      ttl,
    })),
  );
  return putItem(
    { ...keys.planVersion(id, version), outline, reason, changes, at, parts, ttl },
    "attribute_not_exists(pk)",
  );
}

export async function findVersion(
  id: EvacuationId,
  version: number,
): Promise<PlanVersion | undefined> {
  const item = await getItem(keys.planVersion(id, version));
  if (item === undefined) return undefined;
  const stored = StoredVersion.parse(item);
  const parts = await getItems(
    Array.from({ length: stored.parts }, (_, part) => keys.planPart(id, version, part)),
  );
  const text = parts
    .toSorted((one, other) => (String(one.sk) < String(other.sk) ? -1 : 1))
    .map((part) => String(part.text))
    .join("");
  return { ...stored, plan: JSON.parse(text) as Plan };
}
