import { writeFileSync } from "node:fs";
import { METRICS_REFERENCE, metricsReference } from "./metrics-reference.ts";

writeFileSync(new URL(`../${METRICS_REFERENCE}`, import.meta.url), metricsReference());
console.log(METRICS_REFERENCE);
