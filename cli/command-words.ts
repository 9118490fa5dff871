import type { Noun, Verb } from "./verb.ts";

/** A command with the words that call it, such as `vm list`. */
export type Called = { readonly words: string; readonly verb: Verb };

export function calledVerbs(nouns: readonly Noun[]): Called[] {
  return nouns.flatMap(({ name, verbs }) =>
    verbs.map((verb) => ({
      words: name === undefined ? verb.name : `${name} ${verb.name}`,
      verb,
    })),
  );
}
