import { CliError } from "../exit/cli-error.ts";
import { type Column, clean, renderTable } from "./table.ts";
import type { Terminal } from "./terminal.ts";

export const OUTPUT_FORMATS = ["table", "wide", "json", "ndjson", "name"] as const;
export type OutputFormat = (typeof OUTPUT_FORMATS)[number];

export type OutputOptions = {
  readonly format: OutputFormat;
  /** Names of columns, in their order; undefined: those of the format. */
  readonly columns?: readonly string[] | undefined;
  /** Name of the column to sort by; `-` before it reverses. */
  readonly sort?: string | undefined;
  readonly terminal: Terminal;
  readonly write?: (text: string) => void;
  readonly writeError?: (text: string) => void;
};

/** Answers go to stdout, in the format that was asked for; everything else to stderr. */
export class Output {
  readonly format: OutputFormat;
  readonly terminal: Terminal;
  readonly #columns: readonly string[] | undefined;
  readonly #sort: string | undefined;
  readonly #write: (text: string) => void;
  readonly #writeError: (text: string) => void;

  constructor(options: OutputOptions) {
    this.format = options.format;
    this.terminal = options.terminal;
    this.#columns = options.columns;
    this.#sort = options.sort;
    this.#write = options.write ?? ((text) => void process.stdout.write(text));
    this.#writeError = options.writeError ?? ((text) => void process.stderr.write(text));
  }

  /** For people; other formats are for programs. */
  get isForPeople(): boolean {
    return this.format === "table" || this.format === "wide";
  }

  /** Columns for an answer: those of the terminal; a pipe takes lines of any length. */
  get width(): number {
    return this.terminal.showsAnswers ? this.terminal.columns() : Number.POSITIVE_INFINITY;
  }

  /** @param none what people are told where there are no rows, on stderr */
  list<T extends object>(
    rows: readonly T[],
    columns: readonly Column<T>[],
    nameOf: (row: T) => string,
    none = "There are none",
  ): void {
    const sorted = this.#sorted(rows, columns);
    switch (this.format) {
      case "json":
        this.json({ items: sorted });
        return;
      case "ndjson":
        for (const row of sorted) this.#line(JSON.stringify(row));
        return;
      case "name":
        for (const row of sorted) this.#line(nameOf(row));
        return;
      default:
        if (sorted.length === 0) {
          // Heads of nothing tell nothing; scripts ask for another format.
          if (none !== "") this.note(none);
          return;
        }
        for (const line of renderTable(sorted, this.#chosen(columns), this.width)) {
          this.#line(line);
        }
    }
  }

  /** One object: for people its fields line by line, for programs the API's object. */
  object(
    value: object,
    name: string,
    fields: readonly (readonly [string, string | undefined])[],
  ): void {
    switch (this.format) {
      case "json":
        this.json(value);
        return;
      case "ndjson":
        this.#line(JSON.stringify(value));
        return;
      case "name":
        this.#line(name);
        return;
      default: {
        const known = fields.filter(([, text]) => text !== undefined && text !== "");
        const width = Math.max(...known.map(([label]) => label.length));
        for (const [label, text] of known) {
          this.#line(`${label.padEnd(width)}  ${clean(text ?? "")}`);
        }
      }
    }
  }

  json(value: unknown): void {
    this.#line(JSON.stringify(value, null, 2));
  }

  /** A line of an answer for people. */
  text(line: string): void {
    this.#line(line);
  }

  /** One object of a stream, for `-o ndjson`. */
  event(value: object): void {
    this.#line(JSON.stringify(value));
  }

  /** What is not the answer: progress, hints, warnings. */
  note(line: string): void {
    this.#writeError(`${line}\n`);
  }

  #line(line: string): void {
    this.#write(`${line}\n`);
  }

  #chosen<T>(columns: readonly Column<T>[]): readonly Column<T>[] {
    if (this.#columns !== undefined) return this.#columns.map((name) => find(columns, name));
    return columns.filter(({ wide }) => wide !== true || this.format === "wide");
  }

  #sorted<T>(rows: readonly T[], columns: readonly Column<T>[]): readonly T[] {
    if (this.#sort === undefined) return rows;
    const isReversed = this.#sort.startsWith("-");
    const column = find(columns, isReversed ? this.#sort.slice(1) : this.#sort);
    const key = column.sortBy ?? column.text;
    const sign = isReversed ? -1 : 1;
    return rows.toSorted((a, b) => {
      const left = key(a);
      const right = key(b);
      return left < right ? -sign : left > right ? sign : 0;
    });
  }
}

function find<T>(columns: readonly Column<T>[], name: string): Column<T> {
  const found = columns.find((column) => column.name.toLowerCase() === name.toLowerCase());
  if (found !== undefined) return found;
  const names = columns.map((column) => column.name).join(", ");
  throw new CliError("usage", `Expected a column of ${names}; got \`${name}\``);
}
