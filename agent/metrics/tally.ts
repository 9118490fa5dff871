import type { AgentMetric } from "../../core/metrics.ts";
import type { Reading } from "../../core/open-metrics.ts";
import type { Verb } from "../../core/protocol/command.ts";

/** How a request to the control plane has ended; `failed`: no answer came, or it was none. */
export type RequestOutcome = "accepted" | "refused" | "failed";
export type CommandOutcome = "completed" | "failed";

/** What this process of the agent has counted. Prometheus takes a restart of it into account. */
export class Tally {
  readonly #requests = new Map<RequestOutcome, number>();
  readonly #commands = new Map<string, { verb: Verb; outcome: CommandOutcome; count: number }>();
  #heardAtMs: number | undefined;

  request(outcome: RequestOutcome, atMs = Date.now()): void {
    this.#requests.set(outcome, (this.#requests.get(outcome) ?? 0) + 1);
    if (outcome === "accepted") this.#heardAtMs = atMs;
  }

  command(verb: Verb, outcome: CommandOutcome): void {
    const key = `${verb} ${outcome}`;
    const count = (this.#commands.get(key)?.count ?? 0) + 1;
    this.#commands.set(key, { verb, outcome, count });
  }

  get readings(): Reading[] {
    const heard = "switchyard_agent_last_heard_timestamp_seconds" satisfies AgentMetric;
    const requests = "switchyard_agent_requests_total" satisfies AgentMetric;
    const commands = "switchyard_agent_commands_total" satisfies AgentMetric;
    const at = this.#heardAtMs;
    return [
      ...(at === undefined ? [] : [{ metric: heard, labels: {}, value: at / 1000 }]),
      ...[...this.#requests].map(([outcome, value]) => ({
        metric: requests,
        labels: { outcome },
        value,
      })),
      ...[...this.#commands.values()].map(({ verb, outcome, count }) => ({
        metric: commands,
        labels: { verb, outcome },
        value: count,
      })),
    ];
  }
}
