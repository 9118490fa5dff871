import type { ComponentChildren } from "preact";

export type Column<T> = {
  readonly name: string;
  readonly cell: (row: T) => ComponentChildren;
  /** Figures are aligned at their end. */
  readonly isFigure?: true;
  /** Long text: the column gets what is left. */
  readonly isWide?: true;
};

type Props<T> = {
  caption: string;
  columns: readonly Column<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
  /** Said in place of an empty table. */
  empty?: string;
};

/** A table that scrolls sideways by itself where the page is too narrow for it. */
export function DataTable<T>({ caption, columns, rows, keyOf, empty }: Props<T>) {
  if (rows.length === 0 && empty !== undefined) return <p class="quiet">{empty}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <figure class="scroll" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ name, isFigure }) => (
              <th key={name} scope="col" class={isFigure ? "figure" : undefined}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map(({ name, cell, isFigure, isWide }) => (
                <td key={name} class={isFigure ? "figure" : isWide ? "wide" : undefined}>
                  {cell(row) ?? "–"}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}
