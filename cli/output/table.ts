/** One column of a list. */
export type Column<T> = {
  /** In capitals, as it stands in the head. */
  readonly name: string;
  readonly text: (row: T) => string;
  /** Shown by `-o wide` only. */
  readonly wide?: true;
  readonly right?: true;
  /** What rows are sorted by; default: the text. */
  readonly sortBy?: (row: T) => string | number;
};

const GAP = "  ";
const NONE = "–";
const ELLIPSIS = "…";
/** A column that is cut keeps at least so many characters. */
const CUT_MIN = 8;

/**
 * Left-aligned columns, two spaces apart. The last columns are cut to the width.
 *
 * @param width columns of the terminal; Infinity: nothing is cut
 */
export function renderTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  width: number,
): string[] {
  const cells = rows.map((row) => columns.map(({ text }) => clean(text(row)) || NONE));
  const head = columns.map(({ name }) => name);
  const widths = columns.map((_, place) =>
    Math.max(...[head, ...cells].map((line) => (line[place] ?? "").length)),
  );
  cut(widths, width);
  const line = (texts: readonly string[]) =>
    texts
      .map((text, place) => fitted(text, widths[place] ?? 0, columns[place]?.right === true))
      .join(GAP)
      .trimEnd();
  return [line(head), ...cells.map(line)];
}

/** Takes what is too much from the last columns first. */
function cut(widths: number[], width: number): void {
  const total = widths.reduce((sum, one) => sum + one, GAP.length * (widths.length - 1));
  let excess = total - width;
  for (let place = widths.length - 1; place > 0 && excess > 0; place -= 1) {
    const now = widths[place] ?? 0;
    const less = Math.min(excess, Math.max(0, now - CUT_MIN));
    widths[place] = now - less;
    excess -= less;
  }
}

function fitted(text: string, width: number, right: boolean): string {
  const short = text.length > width ? `${text.slice(0, Math.max(0, width - 1))}${ELLIPSIS}` : text;
  return right ? short.padStart(width) : short.padEnd(width);
}

/** One line without control characters: what hosts report must not control a terminal. */
export function clean(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is removed
  return text.replace(/\s+/g, " ").replace(/[\u0000-\u001f\u007f-\u009f]/g, "");
}

/** Breaks prose at spaces, each line after the first indented. */
export function wrap(text: string, width: number, indent = ""): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of clean(text).split(" ")) {
    const more = line === "" ? word : `${line} ${word}`;
    if (more.length <= width || line === "") {
      line = more;
    } else {
      lines.push(line);
      line = `${indent}${word}`;
    }
  }
  lines.push(line);
  return lines;
}
