import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { CliError } from "../exit/cli-error.ts";
import type { Verb } from "../verb.ts";

export const demo: Verb = {
  name: "demo",
  summary: "Move a guest from one host to another on this machine",
  operations: [],
  arguments: [{ name: "[options...]", summary: "options of the demo, after --" }],
  details: "switchyard demo -- --help lists its options.",
  run: async (_, input) => {
    const script = findDemo();
    if (script === undefined) {
      throw new CliError(
        "usage",
        "The demo is a part of the repository: run this in a clone of it",
      );
    }
    const child = spawn(process.execPath, [script, ...input.arguments], { stdio: "inherit" });
    // The terminal sends the demo its own; this process waits for its end.
    const ignore = () => undefined;
    const end = () => child.kill("SIGTERM");
    process.on("SIGINT", ignore);
    process.on("SIGTERM", end);
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (exit) => resolve(exit));
    });
    process.removeListener("SIGINT", ignore);
    process.removeListener("SIGTERM", end);
    if (code === 130) return "interrupted";
    return code === 0 ? undefined : "failed";
  },
};

/** Beside the folder of this file's bundle, or above this source. */
function findDemo(): string | undefined {
  const places = ["../demo/main.ts", "../../demo/main.ts"];
  return places
    .map((place) => fileURLToPath(new URL(place, import.meta.url)))
    .find((path) => existsSync(path));
}
