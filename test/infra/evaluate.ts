import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import * as z from "zod";
import { pulumiMocks } from "./pulumi-mocks.ts";
import { startRpcStub } from "./rpc-stub.ts";
import { PLATFORM, platformRequire, ROOT } from "./tools.ts";

/**
 * `node test/infra/evaluate.ts STAGE FILE [bundle]`: runs sst.config.ts as SST's CLI does (its
 * pkg/project/run.go and pkg/js/js.go: the same bundler, defines and globals), on Pulumi's runtime
 * mocks in place of its engine, and writes the resources as JSON. The functions are bundled only with
 * the third argument.
 */
const EVALUATION_MS_MAX = 180_000;
const CONFIG = join(ROOT, "sst.config.ts");

type Esbuild = { build(options: object): Promise<unknown> };
type Program = () => Promise<Record<string, unknown>>;
type Pulumi = {
  runtime: {
    setMocks(mocks: object, project: string, stack: string, preview: boolean): Promise<void>;
    runInPulumiStack(program: Program): Promise<unknown>;
    waitForRPCs(disconnectFromServers?: boolean): Promise<void>;
    disconnect(): Promise<void>;
  };
};

const BANNER = [
  'import { createRequire as topLevelCreateRequire } from "module";',
  "const require = topLevelCreateRequire(import.meta.url);",
  'import { fileURLToPath as topLevelFileUrlToPath, URL as topLevelURL } from "url";',
  "const __filename = topLevelFileUrlToPath(import.meta.url);",
  'const __dirname = topLevelFileUrlToPath(new topLevelURL(".", import.meta.url));',
].join("\n");

const bundling = {
  absWorkingDir: ROOT,
  bundle: true,
  format: "esm",
  platform: "node",
  mainFields: ["module", "main"],
  nodePaths: [join(PLATFORM, "node_modules")],
  logLevel: "silent",
  external: ["@pulumi/*", "undici", "@aws-sdk/*", "esbuild", "archiver", "glob", "vite"],
};

const App = z.object({
  name: z.string(),
  removal: z.string().default("retain"),
  protect: z.boolean().default(false),
});

const [stage = "", file = "", wish] = process.argv.slice(2);
const esbuild = platformRequire("esbuild") as Esbuild;
const folder = mkdtempSync(join(tmpdir(), "sy-infra-"));
const made: string[] = [];
process.chdir(ROOT);
try {
  writeFileSync(file, JSON.stringify(await evaluate()));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  for (const path of made) rmSync(path, { force: true });
  rmSync(folder, { recursive: true, force: true });
}
// A failed Output keeps Pulumi's runtime waiting.
process.exit();

async function evaluate() {
  const app = { ...App.parse(await readApp()), stage, home: "aws" };
  const rpc = await startRpcStub(folder, { bundles: wish === "bundle" });
  process.env.SST_SERVER = rpc.url;
  const { mocks, resources } = pulumiMocks();
  const pulumi = platformRequire("@pulumi/pulumi") as Pulumi;
  await pulumi.runtime.setMocks(mocks, app.name, stage, false);
  const program = await loadProgram(app);
  await withinBounds(
    pulumi.runtime
      .runInPulumiStack(program)
      .then(() => pulumi.runtime.waitForRPCs())
      .then(() => pulumi.runtime.disconnect()),
  );
  rpc.close();
  return { app, resources, built: rpc.built };
}

/** A failed `apply` never settles its Output: the first rejection, or the deadline, ends the wait. */
async function withinBounds(work: Promise<unknown>): Promise<void> {
  const failed = Promise.withResolvers<never>();
  process.on("unhandledRejection", (error) => failed.reject(error));
  const late = () => failed.reject(new Error("Some outputs are still not resolved"));
  const timer = setTimeout(late, EVALUATION_MS_MAX);
  await Promise.race([work, failed.promise]);
  clearTimeout(timer);
}

/** What `app()` of the configuration returns for this stage. */
async function readApp(): Promise<unknown> {
  const path = await build("app", {
    banner: { js: `${BANNER}\nfunction $config(input) { return input; }` },
    stdin: stdin(`import config from ${JSON.stringify(CONFIG)}; export default config;`),
  });
  const { default: config } = (await import(pathToFileURL(path).href)) as {
    default: { app(input: object): unknown };
  };
  return config.app({ stage });
}

async function loadProgram(app: object): Promise<Program> {
  const paths = { home: "/nonexistent", root: ROOT, work: join(ROOT, ".sst"), platform: PLATFORM };
  const path = await build("run", {
    banner: { js: BANNER },
    define: {
      $app: JSON.stringify(app),
      $cli: JSON.stringify({ command: "diff", dev: false, paths, state: { version: {} } }),
      $dev: "false",
    },
    inject: [join(PLATFORM, "src/shim/run.js")],
    plugins: [{ name: "globals", setup: injectGlobals }],
    stdin: stdin(
      [
        `import { run } from ${JSON.stringify(join(PLATFORM, "src/auto/run.ts"))};`,
        `import config from ${JSON.stringify(CONFIG)};`,
        "export default () => run(config.run);",
      ].join("\n"),
    ),
  });
  return ((await import(pathToFileURL(path).href)) as { default: Program }).default;
}

type OnLoad = (options: { filter: RegExp }, load: (file: { path: string }) => unknown) => void;

/** SST's CLI puts these imports before each file of the project. */
function injectGlobals({ onLoad }: { onLoad: OnLoad }): void {
  const imports = [
    'import * as aws from "@pulumi/aws";',
    `import * as sst from ${JSON.stringify(join(PLATFORM, "src/components"))};`,
  ].join("\n");
  onLoad({ filter: /\.ts$/ }, ({ path }) => {
    if (path.startsWith(join(ROOT, ".sst")) || path.includes("node_modules")) return undefined;
    return { contents: `${imports}\n${readFileSync(path, "utf8")}`, loader: "ts" };
  });
}

/** Beside the platform's packages, so that Node finds those. */
async function build(name: string, options: object): Promise<string> {
  const outfile = join(PLATFORM, `switchyard-${name}-${process.pid}.mjs`);
  made.push(outfile);
  await esbuild.build({ ...bundling, ...options, outfile });
  return outfile;
}

function stdin(contents: string) {
  return { contents, resolveDir: ROOT, sourcefile: "evaluation.ts", loader: "ts" };
}
