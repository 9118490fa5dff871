import { relative } from "node:path";
import { bundleDashboard } from "./dashboard-bundle.ts";

console.log(`Dashboard: ${relative(process.cwd(), await bundleDashboard())}`);
