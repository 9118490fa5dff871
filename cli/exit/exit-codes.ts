/**
 * What the process ends with: a contract for scripts. docs/reference/exit-codes.md lists the same, and
 * a test compares the two.
 */
export const exitCodes = {
  done: { code: 0, meaning: "done: the thing is as asked" },
  failed: {
    code: 1,
    meaning: "it ran and did not end well: a move failed, or a host was not emptied",
  },
  usage: {
    code: 2,
    meaning: "wrong usage, or a confirmation was needed and there was no terminal",
  },
  refused: { code: 3, meaning: "refused: nothing was changed" },
  login: { code: 4, meaning: "not logged in, or not allowed" },
  missing: { code: 5, meaning: "no such host, VM, migration or evacuation" },
  changed: { code: 6, meaning: "changed since you looked: read it again" },
  unknown: { code: 7, meaning: "unknown: a person must look; nothing was touched" },
  ongoing: { code: 8, meaning: "still going on when `--timeout` had passed" },
  unreachable: { code: 9, meaning: "the control plane could not be reached, or failed" },
  wouldMove: { code: 10, meaning: "with `--exit-code` on a dry run: something would move" },
  interrupted: { code: 130, meaning: "watching was interrupted; the work goes on" },
} as const satisfies Record<string, { readonly code: number; readonly meaning: string }>;

export type ExitName = keyof typeof exitCodes;
