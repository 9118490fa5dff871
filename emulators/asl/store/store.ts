import type { ExecutionHeader, ExecutionRecord } from "../execution-record.ts";
import type { Json } from "../json.ts";
import type { Change } from "../ledger.ts";

/** A state machine as it is stored; its definition is kept apart, by id. */
export type MachineRecord = {
  readonly arn: string;
  readonly name: string;
  readonly roleArn: string;
  readonly definitionId: string;
  readonly revisionId: string;
  readonly createdAt: number;
  readonly status: "ACTIVE" | "DELETING";
  readonly loggingConfiguration: Json;
  readonly tracingConfiguration: Json;
};

/** An execution found at the start: whole if it goes on, only its header if it has ended. */
export type FoundExecution =
  | { readonly running: true; readonly record: ExecutionRecord }
  | { readonly running: false; readonly header: ExecutionHeader };

/**
 * Where the engine keeps what must survive it. Every call has done its work when it returns: only
 * then does the engine let anything out that depends on it.
 */
export type Store = {
  loadMachines(): MachineRecord[];
  saveMachines(machines: readonly MachineRecord[]): void;
  saveDefinition(id: string, text: string): void;
  loadDefinition(id: string): string | undefined;
  /** Forgets the definitions that are not in use. */
  keepDefinitions(used: ReadonlySet<string>): void;
  findExecutions(): FoundExecution[];
  createExecution(record: ExecutionRecord): void;
  /** Adds one change; `record` already holds it. */
  appendChange(record: ExecutionRecord, change: Change): void;
  /** The whole of an ended execution. */
  loadExecution(arn: string): ExecutionRecord;
  removeExecution(arn: string): void;
  /** Whether `loadExecution` can bring back what the engine drops from memory. */
  readonly isDurable: boolean;
  close(): void;
};
