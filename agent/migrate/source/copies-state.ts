import {
  type PermittedBy,
  type SourceInput,
  type SourceState,
  type SourceStep,
  step,
} from "./state.ts";

/**
 * What opens a gate. It holds for the policy's permit, for the copies of disks, or for both:
 *
 *   copying → ready    all is on both sides but what the guest has written meanwhile
 *   ready → syncing    permitted, and the first pass over memory is over: each write goes to both sides
 *   syncing → synced   both sides are the same: the gate opens
 *
 * Nothing here reads a clock or does I/O.
 */
export function onPermit(state: SourceState, by: PermittedBy): SourceStep {
  if (state.end || state.gate !== "holding") return step(state);
  return openWhenDue({ ...state, permittedBy: by });
}

export function onCopied(
  state: SourceState,
  { copies }: Extract<SourceInput, { type: "copied" }>,
): SourceStep {
  const isNews = copies === "ready" ? state.copies === "copying" : state.copies === "syncing";
  if (state.end || !isNews) return step(state);
  return openWhenDue({ ...state, copies });
}

export function openWhenDue(state: SourceState): SourceStep {
  if (state.end || state.gate !== "holding") return step(state);
  if (state.isGated && state.permittedBy === undefined) return step(state);
  if (state.copies === "copying" || state.copies === "syncing") return step(state);
  if (state.copies === "ready") {
    if (!state.isMemorySent) return step(state);
    return step({ ...state, copies: "syncing" }, [], [{ type: "sync-copies" }]);
  }
  const by = state.isGated ? state.permittedBy : undefined;
  return step({ ...state, gate: "opening" }, [], [{ type: "open-gate", by }]);
}

/** The disk would arrive without what was written to it: the guest stays. */
export function onCopyFailed(state: SourceState, reason: string): SourceStep {
  if (state.end || state.reasons.copy !== undefined) return step(state);
  const reasons = { ...state.reasons, copy: reason };
  return step({ ...state, reasons }, [], [{ type: "cancel", orContinue: false }]);
}
