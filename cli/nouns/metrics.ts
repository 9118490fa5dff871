import type { Verb } from "../verb.ts";

export const metricsVerb: Verb = {
  name: "metrics",
  summary: "Print the metrics of the fleet (OpenMetrics)",
  operations: ["getMetrics"],
  run: async ({ api, output }) => {
    output.text((await api.getMetrics()).trimEnd());
    return undefined;
  },
};
