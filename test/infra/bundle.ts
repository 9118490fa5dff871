import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { platformRequire, ROOT } from "./tools.ts";

/** The part of esbuild's API that is used here: its package is SST's, not ours. */
type Esbuild = {
  build(options: object): Promise<{ metafile: Metafile }>;
};
type Metafile = { outputs: Record<string, { exports: string[] }> };

/** What SST puts before each function's code (its pkg/runtime/node). */
const BANNER = [
  "import { createRequire as topLevelCreateRequire } from 'module';",
  "const require = topLevelCreateRequire(import.meta.url);",
  'import { fileURLToPath as topLevelFileUrlToPath, URL as topLevelURL } from "url"',
  "const __filename = topLevelFileUrlToPath(import.meta.url)",
  'const __dirname = topLevelFileUrlToPath(new topLevelURL(".", import.meta.url))',
].join("\n");

const SDK = ["@aws-sdk/*", "@smithy/*"];

export type Bundle = {
  file: string;
  exports: string[];
  bytes: number;
  gzipBytes: number;
};

/**
 * Bundles a handler as SST does for a deployment.
 *
 * @param handler module and export, such as `functions/api/index.handler`
 * @param withoutSdk leaves the AWS SDK outside, to measure what is ours
 * @throws the errors of esbuild
 */
export async function bundle(
  handler: string,
  folder: string,
  { withoutSdk = false } = {},
): Promise<Bundle> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "bundle.mjs");
  const esbuild = platformRequire("esbuild") as Esbuild;
  const { metafile } = await esbuild.build({
    absWorkingDir: ROOT,
    entryPoints: [join(ROOT, `${moduleOf(handler)}.ts`)],
    outfile: file,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "esnext",
    mainFields: ["module", "main"],
    keepNames: true,
    minify: true,
    metafile: true,
    banner: { js: BANNER },
    external: ["sharp", "pg-native", ...(withoutSdk ? SDK : [])],
    logLevel: "silent",
  });
  const { exports = [] } = Object.values(metafile.outputs)[0] ?? {};
  const content = readFileSync(file);
  return {
    file,
    exports,
    bytes: content.length,
    gzipBytes: gzipSync(content).length,
  };
}

/** The name of the export that the handler names. */
export function exportOf(handler: string): string {
  return handler.slice(handler.lastIndexOf(".") + 1);
}

export function moduleOf(handler: string): string {
  return handler.slice(0, handler.lastIndexOf("."));
}
