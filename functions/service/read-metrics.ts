import { countedMetrics, readMetrics } from "../../core/metrics.ts";
import { openMetricsText } from "../../core/open-metrics.ts";
import { readSums } from "../store/counters.ts";
import { listOpenStatuses } from "../store/evacuations.ts";
import { countDeadLetters } from "./count-dead-letters.ts";
import { readFleetOverview } from "./read-fleet-overview.ts";
import { readWebhookState } from "./read-webhook-state.ts";
import {
  deadLetterReadings,
  evacuationReadings,
  fleetReadings,
  scheduleReadings,
  webhookReadings,
} from "./readings.ts";
import { listAllSchedules } from "./schedule-actions.ts";

/** The metrics of the fleet as OpenMetrics text. */
export async function metricsText(): Promise<string> {
  const [sums, ...readings] = await Promise.all([
    readSums(),
    readFleetOverview().then(fleetReadings),
    listOpenStatuses().then(evacuationReadings),
    listAllSchedules().then(scheduleReadings),
    countDeadLetters().then(deadLetterReadings),
    readWebhookState().then(webhookReadings),
  ]);
  return openMetricsText(sums, readings.flat(), { ...readMetrics, ...countedMetrics });
}
