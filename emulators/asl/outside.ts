import type { ExecutionHeader } from "./execution-record.ts";
import type { Frame } from "./frame.ts";
import type { Json } from "./json.ts";

/** Item of a distributed Map that is to be started as an execution of its own. */
export type ItemStart = {
  readonly frame: Frame;
  readonly mapRunArn: string;
  readonly serial: number;
  readonly index: number;
  readonly value: Json;
  readonly input: Json;
};

/** The outside world, as the transitions of one execution use it. */
export type Outside = {
  readonly now: () => number;
  readonly region: string;
  /** Runs `onTimer` of the frame at its next deadline, instead of an earlier timer. */
  arm(frame: Frame): void;
  /** Clears the frame's timer and aborts its call, if any. */
  cancel(frame: Frame): void;
  /** Makes the call of the frame's task, once the change is stored. */
  call(frame: Frame): void;
  /** Starts the item's execution, unless an earlier process has started it. */
  startItem(item: ItemStart): void;
  /** The execution of an item, if it was started. */
  findItem(mapRunArn: string, index: number): Readonly<ExecutionHeader> | undefined;
  /** Stops executions that the frame's step waits for, once that is stored. */
  stopAwaited(frame: Frame): void;
  /** Redrives the item's execution, once that is stored. */
  redriveItem(mapRunArn: string, index: number): void;
};
