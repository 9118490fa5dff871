import path from "node:path";
import { rolldown } from "rolldown";
import { PROJECT_DIR } from "./rig/rig.ts";

/**
 * The agent as one file, as it is now: in emulation every module that Node has to find and read
 * counts, and a run must not see files change under it.
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
