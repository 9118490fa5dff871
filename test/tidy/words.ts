/**
 * Words that are retired from names (identifiers and file names): docs/glossary.md has the word that
 * took each one's place. `except`: folders where the word is a standard term of something else.
 */
export type RetiredWord = { readonly word: string; readonly use: string; readonly except?: RegExp };

export const retiredWords: readonly RetiredWord[] = [
  { word: "sighting", use: "observation" },
  { word: "sightings", use: "observations" },
  { word: "departed", use: "exited" },
  { word: "bury", use: "exited" },
  { word: "tell", use: "emit" },
  { word: "told", use: "emitted, or what was emitted" },
  { word: "teller", use: "emitter" },
  { word: "leave", use: "permit" },
  { word: "happen", use: "raise a signal" },
  { word: "happened", use: "the signals raised" },
  { word: "company", use: "batching" },
  { word: "succeed", use: "start a successor", except: /^(emulators\/asl|workflows)\// },
  { word: "looks", use: "observe" },
  { word: "looked", use: "observed" },
  { word: "carry", use: "override the transport" },
  { word: "carried", use: "override the transport" },
  { word: "stays", use: "keep the guest on the source" },
];

/** Names in a source text: identifiers, without those in strings and comments. */
export function namesIn(text: string): Set<string> {
  const code = text
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/(^|[^:"'`])\/\/.*$/gm, "$1")
    .replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""')
    .replace(/`(?:[^`\\$]|\\.|\$(?!\{))*`/g, "``");
  return new Set(code.match(/[A-Za-z_$][\w$]*/g) ?? []);
}

/** `mayLeaveNow` is may, leave, now. */
export function wordsOf(name: string): string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .split(/[^A-Za-z0-9]+|\s/)
    .filter((word) => word !== "")
    .map((word) => word.toLowerCase());
}

/** Without the prose between the tags of JSX. */
export function withoutProse(text: string): string {
  return text.replace(/(>|\})[^<>{}=]*(?=<\/|<[A-Za-z]|\{)/g, "$1");
}
