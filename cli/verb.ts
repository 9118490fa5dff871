import type { ExitName } from "./exit/exit-codes.ts";
import type { Input } from "./input.ts";
import type { Session } from "./session.ts";

/** Things whose names the shell completes, asked from the control plane. */
export type Named = "host" | "vm" | "migration" | "evacuation" | "schedule";

export type Argument = {
  /** As commander writes it: `<vm>`, `[file]`, `[words...]`. */
  readonly name: string;
  readonly summary: string;
  readonly of?: Named;
};

export type Option = {
  /** As commander writes it: `--to <host>`. */
  readonly flags: string;
  readonly summary: string;
  readonly of?: Named;
  readonly choices?: readonly string[];
  readonly required?: true;
};

/** One command. It is a client of the public API and of nothing else. */
export type Verb = {
  /** `list`; the noun of its file comes before it, except for the words that stand alone. */
  readonly name: string;
  readonly summary: string;
  /** The operations of the API that it calls, by their operationId. */
  readonly operations: readonly string[];
  readonly arguments?: readonly Argument[];
  readonly options?: readonly Option[];
  /** Shown below the options by `--help`. */
  readonly details?: string;
  /** @returns the exit, where it is not `done` */
  readonly run: (session: Session, input: Input) => Promise<ExitName | undefined>;
};

/** The verbs of one thing; without a name they stand alone. */
export type Noun = {
  readonly name?: string;
  readonly summary: string;
  readonly verbs: readonly Verb[];
};
