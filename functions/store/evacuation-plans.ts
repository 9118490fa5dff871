import { randomBytes } from "node:crypto";
import * as z from "zod";
import { VersionOutline, VersionReason } from "../../core/evacuation/version.ts";
import type { EvacuationId } from "../../core/id.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { jsonBytes } from "../../core/size-limits.ts";
import { keys } from "./keys.ts";
import { keptSeconds } from "./retention.ts";
import { expiresIn, getItem, getItems, putItem, putItems } from "./table.ts";

/** Characters of one part of a plan: an item has at most 400 KB, and a character 3 bytes. */
const PART_CHARACTERS = 100_000;
/**
 * A plan of 10,000 moves has about 3.5 million characters. Lambda answers with at most 6 MB, in which
 * each quotation mark of the plan counts twice.
 */
const PARTS_MAX = 48;
export const PLAN_CHARACTERS_MAX = PARTS_MAX * PART_CHARACTERS;
/** Of the outline as JSON, bytes: its target hosts are in one item with the changes. */
const OUTLINE_BYTES_MAX = 200 * 1024;
/** Changes that a version keeps: the plan has all placements. */
const CHANGES_MAX = 200;

const StoredVersion = z.object({
  outline: VersionOutline,
  reason: VersionReason,
  /** In what it differs from the version before, for people. */
  changes: z.array(z.string()),
  at: z.iso.datetime(),
  parts: z.int().positive(),
  /** Whose parts they are: two may write the same version at once. */
  writer: z.string(),
});
export type StoredVersion = z.infer<typeof StoredVersion>;

export type PlanVersion = StoredVersion & { readonly plan: Plan };

/** Of a plan too long to be stored. */
export class PlanTooLong extends Error {
  override name = "PlanTooLong";
}

/**
 * Writes a version, its parts first, so that one that is found is whole. Of two writers, the first
 * counts. Returns the version that counts: a process that died after this write, or another one, may
 * have planned with another fleet.
 *
 * @throws PlanTooLong
 */
export async function writeVersion(
  id: EvacuationId,
  made: Omit<StoredVersion, "parts" | "writer"> & { readonly plan: Plan },
): Promise<PlanVersion> {
  const { plan, outline, reason, at } = made;
  const { version } = outline;
  const before = await findVersion(id, version);
  if (before !== undefined) return before;
  const text = JSON.stringify(plan);
  const parts = Math.ceil(text.length / PART_CHARACTERS);
  if (parts > PARTS_MAX) {
    const detail =
      `Expected a plan of at most ${PLAN_CHARACTERS_MAX} characters, got ${text.length}: empty fewer hosts at ` +
      "once, or end cordons, of which each one is a reason for each VM without a place";
    throw new PlanTooLong(detail);
  }
  if (jsonBytes(outline) > OUTLINE_BYTES_MAX) {
    const detail = `The plan has ${outline.targets.length} target hosts, too many to be stored: empty fewer hosts at once`;
    throw new PlanTooLong(detail);
  }
  const ttl = expiresIn(keptSeconds.evacuation);
  const writer = randomBytes(8).toString("hex");
  await putItems(
    Array.from({ length: parts }, (_, part) => ({
      ...keys.planPart(id, { version, writer, part }),
      text: text.slice(part * PART_CHARACTERS, (part + 1) * PART_CHARACTERS),
      ttl,
    })),
  );
  const stored = { outline, reason, changes: shortened(made.changes), at, parts, writer };
  const isFirst = await putItem(
    { ...keys.planVersion(id, version), ...stored, ttl },
    "attribute_not_exists(pk)",
  );
  const first = isFirst ? { ...stored, plan } : await findVersion(id, version);
  if (first === undefined) throw new Error(`Expected version ${version} of ${id}`);
  return first;
}

function shortened(changes: readonly string[]): string[] {
  const more = changes.length - CHANGES_MAX;
  return [...changes.slice(0, CHANGES_MAX), ...(more > 0 ? [`and ${more} more`] : [])];
}

/** Outlines of all versions up to this one. */
export async function listOutlines(id: EvacuationId, upTo: number): Promise<VersionOutline[]> {
  const heads = await getItems(
    Array.from({ length: upTo }, (_, index) => keys.planVersion(id, index + 1)),
  );
  return heads.map((head) => StoredVersion.parse(head).outline);
}

export async function findVersion(
  id: EvacuationId,
  version: number,
): Promise<PlanVersion | undefined> {
  const item = await getItem(keys.planVersion(id, version));
  if (item === undefined) return undefined;
  const stored = StoredVersion.parse(item);
  const parts = await getItems(
    Array.from({ length: stored.parts }, (_, part) =>
      keys.planPart(id, { version, writer: stored.writer, part }),
    ),
  );
  const text = parts
    .toSorted((one, other) => (String(one.sk) < String(other.sk) ? -1 : 1))
    .map((part) => String(part.text))
    .join("");
  return { ...stored, plan: JSON.parse(text) as Plan };
}
