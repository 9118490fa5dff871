import { memoryUse, seeMemory } from "../../../core/migration/memory-use.ts";
import { isStoppedBySwitchover } from "../../../core/qemu/run-state.ts";
import { toFigures } from "./progress.ts";
import { endStandstill, judgeSwitchover } from "./standstill.ts";
import {
  type SourceInput,
  type SourceState,
  type SourceStep,
  type StatusAt,
  step,
  type Timed,
} from "./state.ts";

const ERROR_CHARACTERS_MAX = 4_000;

/** How a migration ends on its source, once its last status or the end of its QEMU is known. */

/** After a `completed` that was not seen as an event. */
export function onRunStateRead(
  state: SourceState,
  { runState, atMs }: { runState: string; atMs: number },
): SourceStep {
  if (state.end) return step(state);
  // Of an earlier migration, whose guest was resumed: this one has never begun.
  if (!isStoppedBySwitchover(runState)) return failed(state, { status: "none", atMs });
  return completed(state, { status: "completed", atMs });
}

/** The target first: the guest is stopped until the target hears of it. */
export function completed(before: SourceState, { status, atMs }: StatusAt): SourceStep {
  const judged = judgeSwitchover({ ...before, status });
  const { state, events } = endStandstill(judged.state, atMs);
  const { runState } = state;
  return step(
    { ...state, end: { status, atMs } },
    [...judged.events, ...events],
    [{ type: "hand-over", when: "completed", runState }, { type: "read-final-figures" }],
  );
}

/** QEMU resumed the guest by itself, if the guest ran before the migration stopped it. */
export function failed(before: SourceState, { status, atMs }: StatusAt): SourceStep {
  const { state, events } = endStandstill(before, atMs);
  const end = { status, atMs: undefined };
  return step({ ...state, end }, events, [{ type: "read-final-figures" }]);
}

export function onFinalFigures(
  state: SourceState,
  { info, disks, handedOver }: Extract<SourceInput, { type: "final-figures" }>,
): SourceStep {
  const { end } = state;
  if (!end || state.isDetached) return step(state);
  if (end.status === "completed") {
    const figures = toFigures(info, disks);
    const memory = memoryUse(seeMemory(state.memory, figures.progress));
    const event = {
      type: "migration.source-completed",
      handedOver,
      figures: { ...figures, memory },
    } as const;
    return ended(state, end.status, [{ event, atMs: end.atMs }]);
  }
  const { hook, ladder, deadline, watch, copy } = state.reasons;
  const why = hook ?? ladder ?? copy ?? watch?.reason ?? deadline ?? info?.["error-desc"] ?? "";
  const noConvergence = ladder === undefined ? {} : ({ code: "no-convergence" } as const);
  const byWatch = watch === undefined ? noConvergence : { code: watch.code };
  const code = copy === undefined ? byWatch : ({ code: "disk-not-copied" } as const);
  const event = { ...failure(end.status, why), ...code };
  return ended(state, end.status, [{ event }]);
}

export function onExited(
  before: SourceState,
  { lastWords, atMs }: { lastWords: string; atMs: number },
): SourceStep {
  if (before.end || before.isDetached) return step(before);
  const { state, events } = endStandstill(before, atMs);
  const event = failure("exited", `The source's QEMU has ended: ${lastWords}`);
  return ended(state, "exited", [...events, { event }]);
}

function failure(status: string, why: string) {
  const errorDescription = why.slice(0, ERROR_CHARACTERS_MAX);
  return { type: "migration.failed", side: "source", status, errorDescription } as const;
}

export function ended(
  state: SourceState,
  status: string,
  events: readonly Timed[] = [],
): SourceStep {
  const end = state.end ?? { status, atMs: undefined };
  return step({ ...state, end }, events, [{ type: "end", status }]);
}
