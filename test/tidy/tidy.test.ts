import { existsSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { allowedCircles, impureFiles, type Layer, layers } from "./layers.ts";
import {
  circlesOf,
  type Import,
  importsOf,
  isPackage,
  isTestCode,
  linesOf,
  ownImportsOf,
  packageOf,
  ROOT,
  read,
  trackedFiles,
} from "./sources.ts";
import { namesIn, retiredWords, withoutProse, wordsOf } from "./words.ts";

const LINES_MAX = 400;
/** Of one test, from `it(` to its closing line; biome counts the functions of production code. */
const TEST_LINES_MAX = 70;

const files = trackedFiles();
const sources = files.filter((file) => /\.tsx?$/.test(file));
const production = sources.filter((file) => !isTestCode(file));
const texts = files.filter((file) => /\.(ts|md|sh|json|s|ya?ml)$|^\.ci\//.test(file));

// An archive of the repository without its history has no list of files.
describe.skipIf(files.length === 0)("every tracked file", () => {
  it("imports only the folders and packages that its folder may", () => {
    expect(sources.flatMap(forbiddenImports)).toEqual([]);
  });

  it("imports only packages that are declared", () => {
    const { dependencies, devDependencies } = readPackage();
    const undeclared = sources.flatMap((file) => {
      // Of the dashboard only a bundle is delivered.
      const isTool = isTestCode(file) || /^(scripts|dashboard)\//.test(file);
      const known = { ...dependencies, ...(isTool ? devDependencies : {}) };
      return importsOf(file)
        .filter(({ from }) => isPackage(from) && !(packageOf(from) in known))
        .map(({ from }) => `${file}: ${from}`);
    });
    expect(undeclared).toEqual([]);
  });

  it("is in no circle of files, types included", () => {
    const graph = new Map(sources.map((file) => [file, new Set(ownImportsOf(file))]));
    const known = allowedCircles.map((circle) => [...circle.files].sort().join(" "));
    const circles = circlesOf(graph).map((circle) => circle.join(" "));
    expect(circles.filter((circle) => !known.includes(circle))).toEqual([]);
  });

  it("is in no circle of folders beside each other, tests included", () => {
    expect(circlesOf(siblingFolders())).toEqual([]);
  });

  it(`has at most ${LINES_MAX} lines`, () => {
    const long = sources
      .map((file) => ({ file, lines: read(file).trimEnd().split("\n").length }))
      .filter(({ lines }) => lines > LINES_MAX);
    expect(long).toEqual([]);
  });

  it(`has no test of more than ${TEST_LINES_MAX} lines`, () => {
    expect(sources.filter((file) => file.endsWith(".test.ts")).flatMap(longTests)).toEqual([]);
  });

  it("has no default export", () => {
    const ours = sources.filter((file) => !/\.config\.ts$|\.d\.ts$/.test(file));
    expect(linesOf(ours, (line) => /^export default\b/.test(line))).toEqual([]);
  });

  it("uses no retired word in a name", () => {
    expect(sources.flatMap(retiredNames)).toEqual([]);
  });

  it("spreads no literal into a literal, and builds no array to take it apart", () => {
    const golf = /\.\.\.(\{ |\[)(?!.*[=?:]>? *\.\.\.)[^?]*[}\]],?$|^\s*const \[.*\] = \[/;
    expect(linesOf(sources, (line) => golf.test(line))).toEqual([]);
  });

  it("gives each `vi.waitFor` a bound: without one it gives up after 1 s", () => {
    expect(sources.flatMap(waitsWithoutBound)).toEqual([]);
  });

  it("has an owner for whatever is left to do", () => {
    const marker = new RegExp(`\\b(TO${"DO"}|FIX${"ME"})\\b(?!\\()`);
    expect(linesOf(texts, (line) => marker.test(line))).toEqual([]);
  });

  it("is deterministic in core and the model of QEMU: time and chance come from outside", () => {
    const pure = production.filter(
      (file) => /^(core|emulators\/qemu)\//.test(file) && !(file in impureFiles),
    );
    const impure =
      /\b(Date\.now|Math\.random|performance\.now|randomBytes|randomUUID)\b|new Date\(\)/;
    expect(linesOf(pure, (line) => impure.test(line))).toEqual([]);
  });

  it("names no folder of anybody's machine", () => {
    const folders = ["work", "root", "home", "Users", `tmp/${"qemu-lab"}`].join("|");
    const path = new RegExp(`(^|[\\s"'\`(=:])/(${folders})/`);
    expect(linesOf(texts, (line) => path.test(line))).toEqual([]);
  });

  it("links only to files that are there", () => {
    const broken = files
      .filter((file) => file.endsWith(".md"))
      .flatMap((file) =>
        linksOf(file)
          .filter((link) => !existsSync(join(ROOT, dirname(file), link)))
          .map((link) => `${file}: ${link}`),
      );
    expect(broken).toEqual([]);
  });
});

describe("package.json", () => {
  it("pins every dependency exactly", () => {
    const { dependencies, devDependencies } = readPackage();
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
    );
    expect(loose).toEqual([]);
  });

  it("leaves it to each machine where packages come from", () => {
    const named = /"resolved": "http|^\s*(@\w+:)?registry\s*=/;
    expect(linesOf(["package-lock.json", ".npmrc"], (line) => named.test(line))).toEqual([]);
  });
});

function readPackage() {
  return JSON.parse(read("package.json")) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
}

function waitsWithoutBound(file: string): string[] {
  const text = read(file);
  return [...text.matchAll(/\bvi\.waitFor\(/g)]
    .filter(({ 0: call, index }) => argumentsIn(text.slice(index + call.length)) < 2)
    .map(({ index }) => `${file}:${text.slice(0, index).split("\n").length}`);
}

/** Of the call whose arguments this text begins with. */
function argumentsIn(text: string): number {
  let depth = 0;
  let commas = 0;
  for (const sign of text.matchAll(/[([{)\]}]|,(?!\s*\))/g)) {
    if (sign[0] === ",") commas += depth === 0 ? 1 : 0;
    else depth += "([{".includes(sign[0]) ? 1 : -1;
    if (depth < 0) break;
  }
  return commas + 1;
}

function forbiddenImports(file: string): string[] {
  const [folder = ""] = file.split("/");
  const layer = layers[folder];
  if (layer === undefined) {
    return file.includes("/") ? [`${file}: no layer is named for ${folder}/`] : [];
  }
  return importsOf(file)
    .filter((one) => !isAllowed(one, file, layer))
    .map(({ from }) => `${file}: ${from}`);
}

function isAllowed(one: Import, file: string, layer: Layer): boolean {
  const { from } = one;
  const forTests = isTestCode(file) ? (layer.tests ?? []) : [];
  if (isPackage(from)) {
    const name = packageOf(from);
    const packages = [...layer.packages, ...forTests, ...(isTestCode(file) ? ["vitest"] : [])];
    return packages.includes("*") || packages.includes(name);
  }
  if (!from.startsWith(".")) return true;
  const path = normalize(join(dirname(file), from));
  if (!isTestCode(file) && isTestCode(path)) return false;
  const [folder = "", inside = ""] = file.split("/");
  const [to = "", toInside = ""] = path.split("/");
  if (path === "package.json") return true;
  if (to === folder) return isInOrder(inside, toInside, layer.order ?? []);
  const allowed = [...layer.imports, ...forTests];
  return allowed.includes(to) || (one.typeOnly && allowed.includes(`${to} types`));
}

/** Files that lie in the folder itself are its entrance or its ground: they are in no order. */
function isInOrder(from: string, to: string, order: readonly string[]): boolean {
  if (!order.includes(from) || !order.includes(to)) return true;
  return order.indexOf(to) <= order.indexOf(from);
}

/** Folder → those beside it (in the same folder) that it imports, at every level. */
function siblingFolders(): Map<string, Set<string>> {
  const graph = new Map<string, Set<string>>();
  for (const file of sources) {
    for (const imported of ownImportsOf(file)) {
      const from = file.split("/").slice(0, -1);
      const to = imported.split("/").slice(0, -1);
      let depth = 0;
      while (from[depth] !== undefined && from[depth] === to[depth]) depth += 1;
      if (from[depth] === undefined || to[depth] === undefined) continue;
      const here = from.slice(0, depth + 1).join("/");
      graph.set(here, (graph.get(here) ?? new Set()).add(to.slice(0, depth + 1).join("/")));
    }
  }
  return graph;
}

function longTests(file: string): string[] {
  const lines = read(file).split("\n");
  return lines.flatMap((line, start) => {
    const [, indent] = /^(\s*)(?:it|test)(?:\.\w+)*\(/.exec(line) ?? [];
    if (indent === undefined) return [];
    const end = lines.findIndex(
      (other, index) =>
        index > start && other.startsWith(`${indent}}`) && /^\s*\}\)?,?/.test(other),
    );
    const length = end - start + 1;
    return length > TEST_LINES_MAX ? [`${file}:${start + 1}: ${length} lines`] : [];
  });
}

function retiredNames(file: string): string[] {
  if (file.startsWith("test/tidy/")) return [];
  const text = file.endsWith(".tsx") ? withoutProse(read(file)) : read(file);
  const names = [file.split("/").at(-1) ?? "", ...namesIn(text)];
  return names.flatMap((name) =>
    retiredWords
      .filter(({ word, except }) => wordsOf(name).includes(word) && !except?.test(file))
      .map(({ word, use }) => `${file}: ${name} (${word} → ${use})`),
  );
}

function linksOf(file: string): string[] {
  const prose = read(file).replace(/```[\s\S]*?```|`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = ""]) => link.replace(/#.*$/, ""))
    .filter((link) => link !== "" && !/^[a-z]+:/.test(link));
}
