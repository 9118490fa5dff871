import type { Clock, Timer } from "./clock.ts";

/** A task's wait: for a condition, a point in time (ms of the clock), or whichever is first. */
export type Wait = {
  until?: () => boolean;
  deadlineMs?: number;
};

/**
 * A thread of the model, written as a generator that yields what it waits for. Tasks use no
 * promises, so a virtual clock drives them synchronously and in one order only.
 */
export type Task<Result = void> = Generator<Wait, Result, void>;

/** Runs the tasks of one model process. */
export type TaskRunner = {
  /** Starts a task; it runs until its first wait at once. `onEnd` gets the error it ended with. */
  spawn(task: Task, onEnd?: (error: unknown) => void): void;
  /** Checks every condition that is waited for. Call it after a change of state. */
  poke(): void;
  /** Stops all tasks for good, as the end of a process does. */
  halt(): void;
  /** Suspends (or continues) all tasks, as SIGSTOP does. */
  freeze(frozen: boolean): void;
};

type Running = {
  readonly task: Task;
  readonly onEnd: ((error: unknown) => void) | undefined;
  wait: Wait;
  timer: Timer | undefined;
  isDue: boolean;
};

export function createTaskRunner(clock: Clock): TaskRunner {
  const parked = new Set<Running>();
  let state: "idle" | "running" | "frozen" | "halted" = "idle";
  let again = false;

  const step = (running: Running): void => {
    running.timer?.cancel();
    running.timer = undefined;
    running.isDue = false;
    try {
      const result = running.task.next();
      if (result.done) {
        parked.delete(running);
        running.onEnd?.(undefined);
        return;
      }
      running.wait = result.value;
    } catch (error) {
      parked.delete(running);
      if (!running.onEnd) throw error;
      running.onEnd(error);
      return;
    }
    const { deadlineMs } = running.wait;
    if (deadlineMs === undefined || isReady(running, clock)) return;
    running.timer = clock.after(deadlineMs - clock.nowMs(), () => {
      running.isDue = true;
      poke();
    });
  };

  const poke = (): void => {
    again = true;
    if (state !== "idle") return;
    state = "running";
    try {
      while (again) {
        again = false;
        for (const running of [...parked]) {
          if (!parked.has(running) || !isReady(running, clock)) continue;
          step(running);
          again = true;
        }
      }
    } finally {
      if (state === "running") state = "idle";
    }
  };

  const halt = (): void => {
    state = "halted";
    for (const running of parked) running.timer?.cancel();
    parked.clear();
  };

  return {
    spawn(task, onEnd) {
      if (state === "halted") return;
      parked.add({ task, onEnd, wait: { deadlineMs: 0 }, timer: undefined, isDue: true });
      poke();
    },
    poke,
    halt,
    freeze(frozen) {
      if (state === "halted") return;
      state = frozen ? "frozen" : "idle";
      if (!frozen) poke();
    },
  };
}

/** Waits `durationMs`. */
export function* sleep(clock: Clock, durationMs: number): Task {
  if (durationMs > 0) yield { deadlineMs: clock.nowMs() + durationMs };
}

function isReady({ wait, isDue }: Running, clock: Clock): boolean {
  if (isDue || (wait.deadlineMs !== undefined && clock.nowMs() >= wait.deadlineMs)) return true;
  return wait.until?.() ?? false;
}
