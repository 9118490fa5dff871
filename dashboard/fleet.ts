import { computed, effect, signal, untracked } from "@preact/signals";
import { client } from "./api.ts";
import { nowMs } from "./clock.ts";
import { type FleetView, isFleetBusy, loadFleet } from "./data/fleet.ts";
import { attentionOf } from "./model/attention.ts";
import { Poller } from "./poller.ts";
import { token } from "./session.ts";

const poller = signal<Poller<FleetView> | undefined>(undefined);

/** The one view of the fleet that all pages share; it is read as long as somebody is signed in. */
export const fleetView = computed(() => poller.value?.value.value);
export const fleetError = computed(() => poller.value?.error.value);
/** What needs a person. */
export const attention = computed(() => {
  const view = fleetView.value;
  return view === undefined ? [] : attentionOf(view.fleet, view.evacuations, nowMs.value);
});

export function watchFleet(): void {
  effect(() => {
    if (token.value === undefined) return;
    const read = (before?: FleetView) => loadFleet(client(), before);
    const made = untracked(() => new Poller(read, isFleetBusy));
    poller.value = made;
    return () => {
      poller.value = undefined;
      made.stop();
    };
  });
}

export function refreshFleet(): void {
  void poller.peek()?.refresh();
}
