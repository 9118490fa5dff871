/** One thing wrong with a definition, as ValidateStateMachineDefinition reports it. */
export type Diagnostic = {
  /** AWS's codes where it has one, such as `SCHEMA_VALIDATION_FAILED`. */
  readonly code: string;
  /** Names the state and the field. */
  readonly message: string;
  /** JSON pointer into the definition, as `/States/Wait/Seconds`. */
  readonly location: string;
};

export const SCHEMA_VALIDATION_FAILED = "SCHEMA_VALIDATION_FAILED";

/** Collects diagnostics, up to the number AWS returns at most. */
export class Diagnostics {
  readonly list: Diagnostic[] = [];

  add(location: string, message: string, code = SCHEMA_VALIDATION_FAILED): void {
    if (this.list.length < DIAGNOSTICS_MAX) this.list.push({ code, message, location });
  }
}

const DIAGNOSTICS_MAX = 100;
