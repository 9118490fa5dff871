import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dashboards } from "./dashboards.ts";
import { dashboardJson } from "./panel.ts";

const folder = fileURLToPath(new URL("../../ops/grafana", import.meta.url));
for (const dashboard of dashboards) {
  const path = `${folder}/${dashboard.name}.json`;
  writeFileSync(path, dashboardJson(dashboard));
  console.log(path);
}
