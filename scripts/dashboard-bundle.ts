import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
/** What the dashboard is made from. */
const SOURCES = ["dashboard", "client", "core", "package-lock.json"];

export type DashboardMode = "production" | "preview";

/** Builds the dashboard into dist/, unless what is there is newer than its sources. */
export async function bundleDashboard(mode: DashboardMode = "production"): Promise<string> {
  const folder = join(root, "dist", mode === "preview" ? "preview" : "dashboard");
  const builtMs = modifiedMs(join(folder, "index.html"));
  if (SOURCES.every((path) => newestMs(join(root, path)) < builtMs)) return folder;
  rmSync(join(folder, "index.html"), { force: true });
  // Most starts build nothing: they need not wait for the builder either.
  const { build } = await import("vite");
  await build({ configFile: join(root, "dashboard/vite.config.ts"), mode });
  return folder;
}

function newestMs(path: string): number {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  const entries = readdirSync(path).map((name) => newestMs(join(path, name)));
  return Math.max(stat.mtimeMs, ...entries);
}

/** 0 where there is no file. */
function modifiedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
