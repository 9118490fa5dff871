import * as z from "zod";

/** Owners that may cordon one host at the same time. */
export const CORDONS_MAX = 32;

const hasControl = /\p{Cc}/u;
/** What people read in a terminal: no escape sequences, no line that another program takes for its own. */
const NO_CONTROL = "expected no control characters";

/** Who does something, by the name that the caller gives: a person, a team, or an id. */
export const Owner = z
  .string()
  .regex(/^\S(.{0,61}\S)?$/, "expected 1 to 63 characters, not beginning or ending with a space")
  .refine((text) => !hasControl.test(text), NO_CONTROL);
export type Owner = z.infer<typeof Owner>;

/** Why, for people. */
export const Message = z
  .string()
  .min(1)
  .max(500)
  .refine((text) => !hasControl.test(text), NO_CONTROL);

/** Who does something, and why. */
export const ByWhom = z.strictObject({ owner: Owner, message: Message.optional() });
export type ByWhom = z.infer<typeof ByWhom>;

/**
 * Somebody's mark that no guest is to come to a host. A host has one for each owner, so that nobody
 * ends the mark of somebody else by ending his own.
 */
export const HostCordon = z.strictObject({
  owner: Owner,
  /** `evacuation`: the owner is its id. */
  kind: z.enum(["person", "evacuation"]),
  message: Message.optional(),
  since: z.iso.datetime(),
  /** An evacuation that empties the host now. */
  drains: z.literal(true).optional(),
});
export type HostCordon = z.infer<typeof HostCordon>;

type Of = Pick<HostCordon, "owner" | "kind">;

function isOf({ owner, kind }: Of): (cordon: HostCordon) => boolean {
  return (cordon) => cordon.owner === owner && cordon.kind === kind;
}

/**
 * The cordons with that of one owner added, or replaced: then it keeps its age.
 *
 * @returns undefined when there are too many
 */
export function withCordon(
  cordons: readonly HostCordon[],
  cordon: HostCordon,
): HostCordon[] | undefined {
  const before = cordons.find(isOf(cordon));
  if (before === undefined) {
    return cordons.length < CORDONS_MAX ? [...cordons, cordon] : undefined;
  }
  const replaced = { ...cordon, since: before.since };
  return cordons.map((other) => (other === before ? replaced : other));
}

/** The cordons without that of one owner. */
export function withoutCordon(cordons: readonly HostCordon[], owner: Of): HostCordon[] {
  return cordons.filter((cordon) => !isOf(owner)(cordon));
}

/** The cordons, with that of one owner kept but not draining any more. */
export function withoutDrain(cordons: readonly HostCordon[], owner: Of): HostCordon[] {
  return cordons.map((cordon) => {
    if (!isOf(owner)(cordon)) return cordon;
    const { drains: _, ...kept } = cordon;
    return kept;
  });
}
