import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { basename, dirname, join, normalize, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");

export type Import = { from: string; typeOnly: boolean };

/** The files that git tracks; none in an archive of the repository without its history. */
export function trackedFiles(): string[] {
  try {
    // A clone that belongs to another user, as on some CI machines, is read all the same.
    const git = ["-c", `safe.directory=${ROOT}`, "ls-files", "-z"];
    const output = execFileSync("git", git, {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      timeout: 20_000,
    });
    return output.split("\0").filter((file) => file !== "" && existsSync(join(ROOT, file)));
  } catch {
    return [];
  }
}

export function isTestCode(file: string): boolean {
  return (
    /\.test\.ts$|\/testing\/|\.config\.ts$/.test(file) ||
    file.startsWith("test/") ||
    basename(file) === "fixtures.ts"
  );
}

const contents = new Map<string, string>();

export function read(file: string): string {
  const known = contents.get(file);
  if (known !== undefined) return known;
  const text = readFileSync(join(ROOT, file), "utf8");
  contents.set(file, text);
  return text;
}

/** `file:line: text` of every line that passes the test. */
export function linesOf(names: string[], test: (line: string) => boolean): string[] {
  return names.flatMap((file) =>
    read(file)
      .split("\n")
      .map((line, index) => ({ line, at: `${file}:${index + 1}` }))
      .filter(({ line }) => test(line))
      .map(({ line, at }) => `${at}: ${line.trim().slice(0, 100)}`),
  );
}

export function importsOf(file: string): Import[] {
  const statement =
    /^(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/gm;
  return [...read(file).matchAll(statement)].map(([, type, from, dynamic]) => ({
    from: from ?? dynamic ?? "",
    typeOnly: type !== undefined,
  }));
}

export const isPackage = (from: string) => !from.startsWith(".") && !isBuiltin(from);

export function packageOf(from: string): string {
  return from.split("/", from.startsWith("@") ? 2 : 1).join("/");
}

/** The project's own files that a file imports, types included. */
export function ownImportsOf(file: string): string[] {
  return importsOf(file)
    .filter(({ from }) => from.startsWith("."))
    .map(({ from }) => normalize(join(dirname(file), from)));
}

/** Groups of nodes that reach one another: Tarjan's strongly connected components of two or more. */
export function circlesOf(graph: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[][] = [];
  const visit = (node: string): number => {
    index.set(node, index.size);
    let lowest = index.get(node) ?? 0;
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!index.has(next)) lowest = Math.min(lowest, visit(next));
      else if (stack.includes(next)) lowest = Math.min(lowest, index.get(next) ?? lowest);
    }
    low.set(node, lowest);
    if (lowest === index.get(node)) {
      const circle = stack.splice(stack.indexOf(node));
      if (circle.length > 1) circles.push(circle.sort());
    }
    return lowest;
  };
  for (const node of graph.keys()) if (!index.has(node)) visit(node);
  return circles;
}
