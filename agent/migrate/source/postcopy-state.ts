import {
  type SourceAction,
  type SourceState,
  type SourceStep,
  type StatusAt,
  step,
} from "./state.ts";

/** From postcopy-active on the guest is the target's, which waits for the handover. */
export function onPostcopyStatus(state: SourceState, { status, atMs }: StatusAt): SourceStep {
  const { active, pauses, paused } = state.postcopy;
  if (status === "postcopy-active" && (!active || paused)) {
    const postcopy = { active: true, pauses, paused: false };
    const next = { ...state, postcopy };
    const note: SourceAction = { type: "note-postcopy", postcopy };
    if (active) return step(next, [], [note]);
    const events = [{ event: { type: "migration.postcopy" } as const, atMs }];
    const { runState } = state;
    return step(next, events, [note, { type: "hand-over", when: "postcopy", runState }]);
  }
  if (status === "postcopy-paused" && !state.isRecovering) {
    const pause = paused ? pauses : pauses + 1;
    // The status is read again and again for as long as the pause lasts.
    if (pause === state.emittedPause) return step(state);
    const postcopy = { active: true, pauses: pause, paused: true };
    const event = { type: "migration.postcopy-paused", pause } as const;
    const next = { ...state, postcopy, emittedPause: pause };
    return step(next, [{ event, atMs }], [{ type: "note-postcopy", postcopy }]);
  }
  return step(state);
}
