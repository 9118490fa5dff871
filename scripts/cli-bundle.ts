import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Writes the command line as one file, packages and all. */
export async function bundleCli(file: string): Promise<void> {
  const build = await rolldown({ input: `${root}/cli/main.ts`, platform: "node", cwd: root });
  try {
    await build.write({ file, format: "esm", codeSplitting: false, minify: true });
  } finally {
    await build.close();
  }
}
