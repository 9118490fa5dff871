import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { it } from "vitest";
import { ownedFolder, removeFolder } from "../../rig/owned-folder.ts";
import { runPage } from "./testing/run-page.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PATIENCE_MS = 60_000;

it(
  "the commands of the page about AWS that need no account",
  async () => {
    const folder = ownedFolder();
    const path = `${join(process.execPath, "..")}:${process.env.PATH}`;
    const run = (command: string) => {
      // Keys are not made in the clone.
      const cwd = command.startsWith("npm") ? ROOT : folder;
      const env = { ...process.env, PATH: path };
      return new Promise<{ stdout: string; stderr: string; exit: number }>((resolve) => {
        execFile("/bin/sh", ["-c", command], { cwd, env }, (error, stdout, stderr) => {
          const exit = error === null ? 0 : typeof error.code === "number" ? error.code : 255;
          resolve({ stdout, stderr, exit });
        });
      });
    };
    try {
      await runPage("deploy.md", { run });
    } finally {
      removeFolder(folder);
    }
  },
  PATIENCE_MS,
);
