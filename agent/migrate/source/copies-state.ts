import {
  type PermittedBy,
  type SourceInput,
  type SourceState,
  type SourceStep,
  step,
} from "./state.ts";

/**
 * What opens a gate. It holds for the policy's permit, for the copies of disks, or for both. `copying`
 * becomes `ready` when all is on both sides, but for what the downtime has room for.
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
  if (state.end || state.copies === "none") return step(state);
  return openWhenDue({ ...state, copies });
}

export function openWhenDue(state: SourceState): SourceStep {
  if (state.end || state.gate !== "holding") return step(state);
  if (state.isGated && state.permittedBy === undefined) return step(state);
  const areDue = state.copies === "ready" && state.isMemorySent;
  if (state.copies !== "none" && !areDue) return step(state);
  const by = state.isGated ? state.permittedBy : undefined;
  return step({ ...state, gate: "opening" }, [], [{ type: "open-gate", by }]);
}

/** The disk would arrive without what was written to it: the guest stays. */
export function onCopyFailed(state: SourceState, reason: string): SourceStep {
  if (state.end || state.reasons.copy !== undefined) return step(state);
  const reasons = { ...state.reasons, copy: reason };
  return step({ ...state, reasons }, [], [{ type: "cancel", orContinue: false }]);
}
