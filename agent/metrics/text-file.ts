import { rmSync } from "node:fs";
import { agentMetrics } from "../../core/metrics.ts";
import type { Reading } from "../../core/open-metrics.ts";
import { prometheusText } from "../../core/prometheus-text.ts";
import { replaceFile } from "../durable/replace-file.ts";
import type { Log } from "../runtime/log.ts";
import type { MetricsConfig } from "../runtime/metrics-config.ts";

/**
 * Writes the agent's metrics into a file of node_exporter's textfile collector, which reads whole files
 * only: each is renamed into place. A file that cannot be written is logged once, and tried again.
 */
export class MetricsFile {
  readonly #config: MetricsConfig;
  readonly #read: () => Reading[];
  readonly #log: Log;
  #timer: NodeJS.Timeout | undefined;
  #isFailing = false;

  constructor(options: { config: MetricsConfig; read: () => Reading[]; log: Log }) {
    this.#config = options.config;
    this.#read = options.read;
    this.#log = options.log;
  }

  /** Writes now, and at each interval. It keeps no process running. */
  start(): void {
    this.write();
    this.#timer = setInterval(() => this.write(), this.#config.intervalMs).unref();
  }

  /** Removes the file: figures of an agent that has stopped would be shown for ever. */
  stop(): void {
    clearInterval(this.#timer);
    try {
      rmSync(this.#config.textFile, { force: true });
    } catch (error) {
      this.#log.warn({ error }, "the file of metrics could not be removed");
    }
  }

  write(): void {
    const { textFile, mode } = this.#config;
    try {
      replaceFile(textFile, prometheusText(this.#read(), agentMetrics), { mode });
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) this.#log.warn({ error }, "the file of metrics cannot be written");
      this.#isFailing = true;
    }
  }
}
