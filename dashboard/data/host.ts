import { ApiError } from "../../client/api-error.ts";
import type { Client } from "../../client/client.ts";
import type { Plan } from "../../core/plan/plan-result.ts";
import { type HostRecord, planOf } from "../api-types.ts";

/** What an evacuation of the host would do; nothing is recorded. `refusal`: why there is no plan. */
export type Drain = { readonly plan: Plan } | { readonly refusal: string };

export type HostView = { readonly host: HostRecord; readonly drain: Drain };

/** The host with the facts that a snapshot of the fleet leaves out. */
export async function loadHost(api: Client, id: string): Promise<HostView> {
  const [host, drain] = await Promise.all([api.getHost(id), loadDrain(api, id)]);
  return { host, drain };
}

async function loadDrain(api: Client, host: string): Promise<Drain> {
  try {
    return { plan: planOf(await api.dryRunEvacuation({ hosts: [host] })) };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status === 401 || error.status >= 500) throw error;
    return { refusal: error.problem.detail ?? error.message };
  }
}
