/** Columns of a terminal that does not tell its width. */
const COLUMNS_DEFAULT = 80;
const COLUMNS_MIN = 40;

export type Terminal = {
  /** Answers go to a person, not to a pipe or file. */
  readonly showsAnswers: boolean;
  /** Progress goes to a person. */
  readonly showsProgress: boolean;
  /** A person can answer a question. */
  readonly takesAnswers: boolean;
  columns(): number;
};

/** The process's own streams. */
export function processTerminal(): Terminal {
  return {
    showsAnswers: process.stdout.isTTY === true,
    showsProgress: process.stderr.isTTY === true,
    takesAnswers: process.stdin.isTTY === true && process.stderr.isTTY === true,
    columns: () => {
      const columns = process.stdout.columns ?? process.stderr.columns ?? COLUMNS_DEFAULT;
      return Math.max(COLUMNS_MIN, columns);
    },
  };
}
