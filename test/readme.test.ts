import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");
const documents = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...markdownIn("docs")];

describe("the documents", () => {
  it("name only npm scripts that package.json has", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const missing = documents.flatMap((file) =>
      scriptsIn(read(file))
        .filter((name) => !(name in scripts))
        .map((name) => `${file}: ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it("have all pages of docs/ in the index", () => {
    const index = read("docs/README.md");
    const pages = markdownIn("docs").map((file) => file.slice("docs/".length));
    const unlisted = pages.filter((page) => page !== "README.md" && !index.includes(`(${page})`));
    expect(unlisted).toEqual([]);
  });

  it("name only files that exist, where CONTRIBUTING says in which file a rule lives", () => {
    const path = /`((?:agent|core|functions|test|workflows)\/[\w./-]+)`/g;
    const named = [...read("CONTRIBUTING.md").matchAll(path)].map(([, file]) => file ?? "");
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((file) => !existsSync(resolve(root, file)))).toEqual([]);
  });

  it("link to headings that exist", () => {
    const broken = documents.flatMap((file) =>
      [...read(file).matchAll(/\]\(([^)\s#]*)#([^)\s]+)\)/g)]
        .filter(([, link = ""]) => !/^[a-z]+:/.test(link))
        .filter(([, link = "", anchor = ""]) => {
          const target = link === "" ? file : join(dirname(file), link);
          return !anchorsOf(read(target)).includes(anchor);
        })
        .map(([link]) => `${file}: ${link}`),
    );
    expect(broken).toEqual([]);
  });

  it("give every decision a status and a date", () => {
    const decisions = documents.filter((file) => file.startsWith("docs/adr/"));
    const status = /^Status: (accepted|replaced by .*), \d{4}-\d{2}-\d{2}\.$/m;
    expect(decisions.filter((file) => !status.test(read(file)))).toEqual([]);
  });

  it("keep their prose within 100 columns", () => {
    expect(documents.flatMap(longLines)).toEqual([]);
  });
});

function markdownIn(folder: string): string[] {
  const files = readdirSync(resolve(root, folder), { recursive: true, encoding: "utf8" });
  return files.filter((file) => file.endsWith(".md")).map((file) => `${folder}/${file}`);
}

function read(file: string): string {
  return readFileSync(resolve(root, file), "utf8");
}

/** As GitHub makes them from headings. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );
}

/** `npm run x`, and `npm test` and `npm start`, which are scripts too. */
function scriptsIn(text: string): string[] {
  const calls = text.matchAll(/\bnpm (?:run ([a-z:]+)|(test|start)\b)/g);
  return [...calls].map(([, script, short]) => script ?? short ?? "");
}

/** Tables, code and lines without a space to break at may be longer. */
function longLines(file: string): string[] {
  const prose = read(file).replace(/^ *```[\s\S]*?^ *```/gm, (code) => code.replace(/[^\n]/g, ""));
  return prose.split("\n").flatMap((line, index) => {
    const isFree = line.startsWith("|") || line.startsWith("    ") || /^\S*$/.test(line.trim());
    return line.length > 100 && !isFree ? [`${file}:${index + 1}`] : [];
  });
}
