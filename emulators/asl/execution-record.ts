import type { ScopePath } from "./definition.ts";
import type { Frame } from "./frame.ts";
import type { HistoryEvent } from "./history.ts";
import type { Json } from "./json.ts";

export type ExecutionStatus = "RUNNING" | "SUCCEEDED" | "FAILED" | "TIMED_OUT" | "ABORTED";

/** The task or Map Run of another execution that started this one. */
export type StartedBy = {
  readonly executionArn: string;
  readonly frame: number;
  readonly serial: number;
  /** The starter waits for the end, and stops this execution when it ends itself. */
  readonly awaited: boolean;
};

/** An item of a distributed Map, run as an execution of its own. */
export type MapItem = {
  readonly mapRunArn: string;
  readonly index: number;
  readonly value: Json;
};

/** An execution without its frames and its history. */
export type ExecutionHeader = {
  readonly arn: string;
  readonly name: string;
  readonly stateMachineArn: string;
  readonly roleArn: string;
  /** Id of the stored definition that it runs to its end, redrives included. */
  readonly definitionId: string;
  /** The scope it runs: the whole definition, or a distributed Map's item processor. */
  readonly scope: ScopePath;
  readonly input: string;
  readonly startedAt: number;
  readonly startedBy: StartedBy | null;
  readonly mapItem: MapItem | null;
  status: ExecutionStatus;
  stoppedAt: number | null;
  output: string | null;
  error: string | null;
  cause: string | null;
  /** Events of its history, once it has ended. */
  eventCount: number;
  /** When TimeoutSeconds of the machine runs out. */
  deadline: number | null;
  redriveCount: number;
  redrivenAt: number | null;
  redriveClientToken: string | null;
  /**
   * Serial numbers given to waiting steps: an answer to an earlier step is recognised and dropped.
   */
  serial: number;
  nextFrame: number;
};

/** An execution as it is stored. */
export type ExecutionRecord = {
  header: ExecutionHeader;
  frames: Map<number, Frame>;
  events: HistoryEvent[];
};
