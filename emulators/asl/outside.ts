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

/** What the transitions of one execution ask of the world around it. */
export type Outside = {
  readonly now: () => number;
  readonly region: string;
  /** Fires `onTimer` of the frame at its next deadline, in place of an earlier timer. */
  arm(frame: Frame): void;
  /** Forgets the frame's timer and abandons its call, if any. */
  cancel(frame: Frame): void;
  /** Makes the call of the frame's task, once what is known of it is stored. */
  call(frame: Frame): void;
  /** Starts the item's execution, or finds it started by an earlier life of this process. */
  startItem(item: ItemStart): void;
  /** The execution of an item, if it was started. */
  findItem(mapRunArn: string, index: number): Readonly<ExecutionHeader> | undefined;
  /** Stops executions that the frame's step waits for, once that is stored. */
  stopAwaited(frame: Frame): void;
  /** Redrives the item's execution, once that is stored. */
  redriveItem(mapRunArn: string, index: number): void;
};
