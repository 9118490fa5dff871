import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";

const PAGE = join(import.meta.dirname, "../../docs/internals/security.md");

/** Rows such as `| do this | [file](path): the title of a test |`. */
const ROW = /^\| [^|]+ \| \[[^\]]+\]\(([^)]+\.ts)\): (.+) \|$/gm;

const claims = [...readFileSync(PAGE, "utf8").matchAll(ROW)].map(([, path = "", title = ""]) => ({
  file: join(dirname(PAGE), path),
  title,
}));

it("each cannot of the page about security names a test that is there", () => {
  expect(claims.length).toBeGreaterThan(30);
  const missing = claims.filter(
    ({ file, title }) => !existsSync(file) || !readFileSync(file, "utf8").includes(title),
  );
  expect(missing).toEqual([]);
});

it("each table of what somebody cannot do has a test in every row", () => {
  const tables = readFileSync(PAGE, "utf8")
    .split(/^\| (?:it|he) cannot \| held by \|\n/m)
    .slice(1);
  const rows = tables.flatMap((table) => (table.split("\n\n")[0] ?? "").split("\n").slice(1));
  expect(rows.filter((row) => row !== "" && !row.match(new RegExp(ROW.source)))).toEqual([]);
});
