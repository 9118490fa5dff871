import { signal } from "@preact/signals";

/** The time that pages show ages and ends by, ms since the epoch; a preview's stands still. */
export const nowMs = signal(Date.now());

export function startClock(): void {
  setInterval(() => {
    if (!document.hidden) nowMs.value = Date.now();
  }, 1_000);
}
