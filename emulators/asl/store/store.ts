import type { ExecutionHeader, ExecutionRecord } from "../execution-record.ts";
import type { Json } from "../json.ts";
import type { Change } from "../ledger.ts";

/** A stored state machine; its definition is stored apart, by id. */
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

/** An execution that was found at the start: whole if it runs, only its header if it has ended. */
export type FoundExecution =
  | { readonly running: true; readonly record: ExecutionRecord }
  | { readonly running: false; readonly header: ExecutionHeader };

/**
 * Stores the state that survives the engine. Every call is complete when it returns, and the engine
 * releases effects that depend on it after `settled`.
 */
export type Store = {
  loadMachines(): MachineRecord[];
  saveMachines(machines: readonly MachineRecord[]): void;
  saveDefinition(id: string, text: string): void;
  loadDefinition(id: string): string | undefined;
  /** Removes the definitions that are not in use. */
  keepDefinitions(used: ReadonlySet<string>): void;
  findExecutions(): FoundExecution[];
  createExecution(record: ExecutionRecord): void;
  /** Adds one change; `record` already holds it. */
  appendChange(record: ExecutionRecord, change: Change): void;
  /** Resolves once what was stored before is on the disk. Undefined: nobody waits for that. */
  readonly settled: (() => Promise<void>) | undefined;
  /** An ended execution as a whole. */
  loadExecution(arn: string): ExecutionRecord;
  removeExecution(arn: string): void;
  /** Whether `loadExecution` returns what the engine has dropped from memory. */
  readonly isDurable: boolean;
  close(): void;
};
