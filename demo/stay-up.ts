import type { Fleet } from "../rig/fleet.ts";
import { bundleDashboard } from "../scripts/dashboard-bundle.ts";

/** Builds the dashboard, says where everything is, and waits for Ctrl-C. */
export async function stayUp(fleet: Fleet): Promise<void> {
  await bundleDashboard();
  console.log(`\nDashboard (the link signs in once): ${fleet.dashboardUrl}`);
  console.log(`API: ${fleet.api.url} (files: ${fleet.folder}). Press Ctrl-C to stop.`);
  await new Promise<void>((resolve) => {
    const idle = setInterval(() => undefined, 60_000);
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.once(signal, () => {
        clearInterval(idle);
        resolve();
      });
    }
  });
}
