import { ApiError } from "../../client/api-error.ts";
import type { Client } from "../../client/client.ts";
import type { Placement, Vm } from "../api-types.ts";
import type { Recent } from "./recent.ts";

const HISTORY_MAX = 100;

export type VmView = {
  readonly vm: Vm;
  /** Newest first. */
  readonly history: Recent["migrations"];
  readonly placement: Placement | undefined;
  /** Why there is no placement, such as a guest that does not run. */
  readonly noPlacement: string | undefined;
};

/** A VM with its moves and where it could go, which is asked again only when its record has changed. */
export async function loadVm(api: Client, id: string, before: VmView | undefined): Promise<VmView> {
  const [vm, history] = await Promise.all([
    api.getVm(id),
    api.listMigrations({ vm: id, limit: HISTORY_MAX }),
  ]);
  const isKnown = before !== undefined && before.vm.updatedAt === vm.updatedAt && isBusy(vm);
  const { placement, noPlacement } = isKnown ? before : await loadPlacement(api, id);
  return { vm, history: history.items, placement, noPlacement };
}

export function isVmBusy({ vm }: VmView): boolean {
  return isBusy(vm);
}

function isBusy({ state }: Vm): boolean {
  return state === "migrating" || state === "starting";
}

async function loadPlacement(api: Client, id: string) {
  try {
    return { placement: await api.getPlacement(id), noPlacement: undefined };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 409) throw error;
    return { placement: undefined, noPlacement: error.problem.detail ?? error.message };
  }
}
