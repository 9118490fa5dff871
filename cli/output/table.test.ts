import { describe, expect, it } from "vitest";
import { type Column, clean, renderTable, wrap } from "./table.ts";

type Row = { id: string; note: string; count: number };

const columns: Column<Row>[] = [
  { name: "ID", text: ({ id }) => id },
  { name: "COUNT", text: ({ count }) => String(count), right: true },
  { name: "NOTE", text: ({ note }) => note },
];
const rows: Row[] = [
  { id: "web1", note: "a long note about a guest", count: 7 },
  { id: "db-1", note: "", count: 112 },
];

describe("a table", () => {
  it("has its columns two spaces apart, and a dash for nothing", () => {
    expect(renderTable(rows, columns, Number.POSITIVE_INFINITY)).toEqual([
      "ID    COUNT  NOTE",
      "web1      7  a long note about a guest",
      "db-1    112  –",
    ]);
  });

  it("is cut to the width of a terminal from the last column on", () => {
    const lines = renderTable(rows, columns, 25);
    expect(lines[1]).toBe("web1      7  a long note…");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(25);
  });

  it("lets nothing control the terminal", () => {
    expect(clean("a\u001b[2Jb\r\nc\u009bd")).toBe("a[2Jb cd");
  });
});

describe("prose", () => {
  it("is broken at spaces, and is one line where there is no width", () => {
    expect(wrap("one two three", 8, "  ")).toEqual(["one two", "  three"]);
    expect(wrap("one two three", Number.POSITIVE_INFINITY)).toEqual(["one two three"]);
  });
});
