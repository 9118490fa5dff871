import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { basename, dirname, join, normalize, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = resolve(import.meta.dirname, "..");
const LINES_MAX = 400;

/** Folders whose code a folder may import beside its own; `npm`: packages and Node's modules. */
const layers: Record<string, string[]> = {
  core: ["zod"],
  workflows: ["core"],
  functions: ["core", "npm"],
  agent: ["core", "npm"],
  local: ["core", "functions", "workflows", "npm"],
  // The agent's interfaces only, which is to say its types.
  sim: ["core", "agent types", "npm"],
  demo: ["core", "agent", "functions", "local", "sim", "npm"],
  bench: ["core", "agent", "functions", "local", "sim", "demo", "npm"],
};

/** Files longer than the limit, each with the reason why it stays whole. */
const longFiles: Record<string, string> = {};

/** Files that may ask the machine for time or chance where their folder may not. */
const impureFiles: Record<string, string> = {
  "sim/clock.ts": "the real clock, for the model as a process",
  "sim/main.ts": "the process around the model",
};

const files = trackedFiles();
const sources = files.filter((file) => file.endsWith(".ts"));
const production = sources.filter((file) => !isTestCode(file));

// An archive of the repository without its history has no list of files.
describe.skipIf(files.length === 0)("every tracked file", () => {
  it("imports only what its layer may", () => {
    expect(production.flatMap(forbiddenImports)).toEqual([]);
  });

  it("imports only packages that are declared", () => {
    const { dependencies, devDependencies } = readPackage();
    const undeclared = sources.flatMap((file) => {
      const known = { ...dependencies, ...(isTestCode(file) ? devDependencies : {}) };
      return importsOf(file)
        .filter(({ from }) => isPackage(from) && !(packageOf(from) in known))
        .map(({ from }) => `${file}: ${from}`);
    });
    expect(undeclared).toEqual([]);
  });

  it(`has at most ${LINES_MAX} lines, unless a reason is listed`, () => {
    const long = production
      .filter((file) => !(file in longFiles))
      .map((file) => ({ file, lines: read(file).trimEnd().split("\n").length }))
      .filter(({ lines }) => lines > LINES_MAX);
    expect(long).toEqual([]);
  });

  it("has no default export", () => {
    const ours = sources.filter((file) => !/\.config\.ts$|\.d\.ts$/.test(file));
    expect(linesOf(ours, (line) => /^export default\b/.test(line))).toEqual([]);
  });

  it("has an owner for whatever is left to do", () => {
    const marker = new RegExp(`\\b(TO${"DO"}|FIX${"ME"})\\b(?!\\()`);
    expect(linesOf(texts(), (line) => marker.test(line))).toEqual([]);
  });

  it("is deterministic in core and sim: time and chance come from outside", () => {
    const pure = production.filter((file) => /^(core|sim)\//.test(file) && !(file in impureFiles));
    const impure =
      /\b(Date\.now|Math\.random|performance\.now|randomBytes|randomUUID)\b|new Date\(\)/;
    expect(linesOf(pure, (line) => impure.test(line))).toEqual([]);
  });

  it("names no folder of anybody's machine", () => {
    const folders = ["work", "root", "home", "Users", `tmp/${"qemu-lab"}`].join("|");
    const path = new RegExp(`(^|[\\s"'\`(=:])/(${folders})/`);
    expect(linesOf(texts(), (line) => path.test(line))).toEqual([]);
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

type Import = { from: string; typeOnly: boolean };

function trackedFiles(): string[] {
  try {
    // A clone that belongs to another user, as on some CI machines, is looked at all the same.
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

function isTestCode(file: string): boolean {
  return (
    /\.test\.ts$|\/testing\/|\.config\.ts$/.test(file) ||
    file.startsWith("test/") ||
    basename(file) === "fixtures.ts"
  );
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

function readPackage() {
  return JSON.parse(read("package.json")) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
}

const texts = () => files.filter((file) => /\.(ts|md|sh|json|s|ya?ml)$|^\.ci\//.test(file));

function linesOf(names: string[], test: (line: string) => boolean): string[] {
  return names.flatMap((file) =>
    read(file)
      .split("\n")
      .map((line, index) => ({ line, at: `${file}:${index + 1}` }))
      .filter(({ line }) => test(line))
      .map(({ line, at }) => `${at}: ${line.trim().slice(0, 100)}`),
  );
}

function importsOf(file: string): Import[] {
  const statement =
    /^(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/gm;
  return [...read(file).matchAll(statement)].map(([, type, from, dynamic]) => ({
    from: from ?? dynamic ?? "",
    typeOnly: type !== undefined,
  }));
}

const isPackage = (from: string) => !from.startsWith(".") && !isBuiltin(from);

function packageOf(from: string): string {
  return from.split("/", from.startsWith("@") ? 2 : 1).join("/");
}

function forbiddenImports(file: string): string[] {
  const [folder = ""] = file.split("/");
  const allowed = layers[folder] ?? ["npm"];
  return importsOf(file)
    .filter((one) => !isAllowed(one, file, folder, allowed))
    .map(({ from }) => `${file}: ${from}`);
}

function isAllowed({ from, typeOnly }: Import, file: string, folder: string, allowed: string[]) {
  if (!from.startsWith(".")) return allowed.includes("npm") || allowed.includes(packageOf(from));
  const path = normalize(join(dirname(file), from));
  if (isTestCode(path)) return false;
  const [to = ""] = path.split("/");
  if (to === folder || path === "package.json") return true;
  return allowed.includes(to) || (typeOnly && allowed.includes(`${to} types`));
}

function linksOf(file: string): string[] {
  const prose = read(file).replace(/```[\s\S]*?```|`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, link = ""]) => link.replace(/#.*$/, ""))
    .filter((link) => link !== "" && !/^[a-z]+:/.test(link));
}
