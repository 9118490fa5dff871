import path from "node:path";
import { rolldown } from "rolldown";
import { PROJECT_DIR } from "../machine/project-dir.ts";

/**
 * The agent as one file: in emulation Node takes long to find and read each module, and later
 * changes of the sources do not affect the run.
 */
export async function bundleAgent(): Promise<string> {
  const bundle = await rolldown({
    input: path.join(PROJECT_DIR, "agent/main.ts"),
    platform: "node",
    logLevel: "silent",
  });
  try {
    const { output } = await bundle.generate({ format: "esm", minify: true, codeSplitting: false });
    return output[0].code;
  } finally {
    await bundle.close();
  }
}
