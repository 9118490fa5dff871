import * as z from "zod";
import { StorageProof } from "./storage.ts";

/** How many differences of each sort are kept; the totals count all of them. */
export const LISTED_MAX = 20;
const NAME_CHARACTERS_MAX = 300;
const VALUE_CHARACTERS_MAX = 300;
const TEXT_CHARACTERS_MAX = 500;

export const ACCEPTED = "the policy accepts it (`acceptDifferences`)";

const Name = z.string().max(NAME_CHARACTERS_MAX);
/** Null: this side does not have it. */
const Value = z.string().max(VALUE_CHARACTERS_MAX).nullable();

/** A blocker: the guest would not arrive as it left. */
export const Difference = z.strictObject({
  /** E.g. `device i440FX-pcihost/04.0 (virtio-net-pci "net0"): netdev`. */
  name: Name,
  source: Value,
  target: Value,
  cure: z.string().max(TEXT_CHARACTERS_MAX),
  /** The disk is the same machine's, and its storage is not known to be the same. */
  about: z.literal("storage").optional(),
});
export type Difference = z.infer<typeof Difference>;

export const HarmlessDifference = z.strictObject({
  name: Name,
  source: Value,
  target: Value,
  reason: z.string().max(TEXT_CHARACTERS_MAX),
});
export type HarmlessDifference = z.infer<typeof HarmlessDifference>;

/** Names of differences, as a comparison has them, that do no harm in the operator's judgement. */
export const AcceptDifferences = z.array(Name.min(1)).max(50);

/** A file of a disk, and how it is known to be the same storage on both sides. */
const ProvedFile = z.strictObject({ name: Name, proof: StorageProof });
export type ProvedFile = z.infer<typeof ProvedFile>;

/** The result of comparing both sides' machines. */
export const Comparison = z.strictObject({
  /** Values that were compared. */
  values: z.int().nonnegative(),
  /** The first 20; the migration is refused if there is any. */
  differences: z.array(Difference).max(LISTED_MAX),
  differencesTotal: z.int().nonnegative(),
  /** The first 20. */
  harmless: z.array(HarmlessDifference).max(LISTED_MAX),
  harmlessTotal: z.int().nonnegative(),
  /** The first 20 files; absent in records of older agents. */
  storage: z
    .strictObject({
      files: z.array(ProvedFile).max(LISTED_MAX),
      filesTotal: z.int().nonnegative(),
    })
    .optional(),
});
export type Comparison = z.infer<typeof Comparison>;

/** The twin check of one migration, as the record has it. */
export const TwinCheck = z.strictObject({
  ...Comparison.shape,
  /** From the beginning of the source's reading to the result, ms. */
  checkMs: z.number().nonnegative(),
});
export type TwinCheck = z.infer<typeof TwinCheck>;

export function shortName(text: string): string {
  return shorten(text, NAME_CHARACTERS_MAX);
}

export function shortValue(text: string): string {
  return shorten(text, VALUE_CHARACTERS_MAX);
}

export function shortText(text: string): string {
  return shorten(text, TEXT_CHARACTERS_MAX);
}

function shorten(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}
