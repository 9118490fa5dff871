import { bundleDashboard } from "../../scripts/dashboard-bundle.ts";

/** Builds what the tests open, once. */
export async function setup(): Promise<void> {
  await bundleDashboard();
  await bundleDashboard("preview");
}
