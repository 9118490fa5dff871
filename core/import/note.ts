import * as z from "zod";

/**
 * What became of an option that the definition does not have as it was given.
 *
 * - `replaced`: the guest is the same; the agent does it in another way, or the value was given another
 *   form
 * - `lost`: the guest, or the way to it, is another one
 * - `unknown`: nobody but a person can say
 */
export const ImportOutcome = z.enum(["replaced", "lost", "unknown"]);
export type ImportOutcome = z.infer<typeof ImportOutcome>;

const OPTION_CHARACTERS_MAX = 300;
const REASON_CHARACTERS_MAX = 500;
export const IMPORT_NOTES_MAX = 200;

export const ImportNote = z.strictObject({
  outcome: ImportOutcome,
  /** The option as it was given, such as `-spice port=5900`, or the part of the running QEMU. */
  option: z.string().max(OPTION_CHARACTERS_MAX),
  reason: z.string().max(REASON_CHARACTERS_MAX),
});
export type ImportNote = z.infer<typeof ImportNote>;

export function importNote(outcome: ImportOutcome, option: string, reason: string): ImportNote {
  return {
    outcome,
    option: shorten(option, OPTION_CHARACTERS_MAX),
    reason: shorten(reason, REASON_CHARACTERS_MAX),
  };
}

function shorten(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1)}…`;
}
