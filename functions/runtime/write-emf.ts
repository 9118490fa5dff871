import { emfDocuments, type Value } from "../../core/emf.ts";
import { config } from "./config.ts";

/**
 * Writes values to the function's log for CloudWatch, which makes metrics of them (embedded metric
 * format). Does nothing without METRICS_NAMESPACE: each metric with each of its labels costs by the month.
 */
export function writeEmf(values: readonly Value[], atMs = Date.now()): void {
  const namespace = config().metricsNamespace;
  if (namespace === undefined) return;
  for (const document of emfDocuments(values, namespace, atMs)) {
    process.stdout.write(`${JSON.stringify(document)}\n`);
  }
}
