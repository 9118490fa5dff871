import type { Client } from "../../client/client.ts";
import type { Evacuation, Fleet } from "../api-types.ts";

/** Evacuations that the overview asks for: the newest. */
const EVACUATIONS_MAX = 50;

export type FleetView = {
  readonly etag: string | undefined;
  readonly fleet: Fleet;
  readonly evacuations: readonly Evacuation[];
};

/** Hosts, what moves, and the newest evacuations. An unchanged fleet is a 304 without a body. */
export async function loadFleet(api: Client, before: FleetView | undefined): Promise<FleetView> {
  const [changed, evacuations] = await Promise.all([
    api.getFleetIfChanged(before?.etag),
    api.listEvacuations({ limit: EVACUATIONS_MAX }),
  ]);
  const { etag, fleet } = changed ?? before ?? {};
  if (fleet === undefined) throw new Error("The API answered 304 to a first request");
  return { etag, fleet, evacuations: evacuations.items };
}

const goingOn = ["approved", "running", "cancelling", "rolling-back"];

export function isFleetBusy({ fleet, evacuations }: FleetView): boolean {
  const isMoving = fleet.migrations.some(({ status }) => status === "running");
  return isMoving || evacuations.some(({ status }) => goingOn.includes(status));
}
