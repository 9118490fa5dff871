import { ApiError } from "../../client/api-error.ts";
import type { Client } from "../../client/client.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { planOf } from "../api-types.ts";

/** What an evacuation of the host would do; nothing is recorded. `refusal`: why there is no plan. */
export type Drain = { readonly plan: Plan } | { readonly refusal: string };

export async function loadDrain(api: Client, host: string): Promise<Drain> {
  try {
    return { plan: planOf(await api.dryRunEvacuation({ hosts: [host] })) };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status === 401 || error.status >= 500) throw error;
    return { refusal: error.problem.detail ?? error.message };
  }
}
