import type { State } from "./definition.ts";
import type { StatesExtra } from "./environment.ts";
import type { Frame } from "./frame.ts";
import type { Json } from "./json.ts";
import type { Ledger } from "./ledger.ts";
import type { Outside } from "./outside.ts";

/** Where a frame starts: the fields that its creator decides. */
export type FrameStart = Pick<Frame, "parent" | "index" | "scope" | "input" | "lastEventId">;

/**
 * The transitions of one execution, as the parts that handle Tasks, children and Map Runs use them
 * (implemented by `Progress`).
 */
export type Transitions = {
  readonly ledger: Ledger;
  readonly outside: Outside;
  stateOf(frame: Frame): State;
  /** Adds a frame that is about to enter the first state of its scope. */
  addFrame(start: FrameStart): void;
  /** Takes the frame out of the work to be done. */
  unready(frame: Frame): void;
  evaluate(frame: Frame, template: Json, field: string, extra: StatesExtra): Promise<Json>;
  /** Runs `work` for the frame's state; the state's Retry and Catch handle what it throws. */
  attempt(frame: Frame, work: () => Promise<void>): Promise<void>;
  /** Ends the frame's state with the result of its work, or without one. */
  finishState(frame: Frame, result?: Json): Promise<void>;
};
