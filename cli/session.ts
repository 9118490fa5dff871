import { createInterface } from "node:readline/promises";
import { type Client, createClient } from "../client/client.ts";
import { CliError } from "./exit/cli-error.ts";
import type { Output } from "./output/output.ts";
import { type ConnectionOptions, findConnection } from "./profile/connection.ts";
import { configFolder, ProfileFiles } from "./profile/files.ts";

export type SessionOptions = ConnectionOptions & {
  readonly output: Output;
  /** Confirmations are taken as given. */
  readonly yes: boolean;
  /** Times are shown in UTC. */
  readonly utc: boolean;
  readonly verbose: boolean;
  readonly environment?: NodeJS.ProcessEnv;
};

/** What one command works with. */
export class Session {
  readonly output: Output;
  readonly files: ProfileFiles;
  readonly environment: NodeJS.ProcessEnv;
  readonly verbose: boolean;
  readonly #options: SessionOptions;
  #api: Client | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.output = options.output;
    this.verbose = options.verbose;
    this.environment = options.environment ?? process.env;
    this.files = new ProfileFiles(configFolder(this.environment));
  }

  /** @throws CliError when nobody is logged in */
  get api(): Client {
    this.#api ??= createClient(findConnection(this.files, this.#options, this.environment));
    return this.#api;
  }

  get connectionOptions(): ConnectionOptions {
    return this.#options;
  }

  /** A question can be answered: by a person, or by `--yes`. */
  get canConfirm(): boolean {
    return this.#options.yes || this.output.terminal.takesAnswers;
  }

  /**
   * Asks before something that a person may regret. The answer `no` is the default.
   *
   * @throws CliError when the answer is no, or nobody can be asked
   */
  async confirm(question: string): Promise<void> {
    if (this.#options.yes) return;
    if (!this.output.terminal.takesAnswers) {
      throw new CliError("usage", `${question} Nobody can be asked here`, "repeat with --yes");
    }
    const questions = createInterface({ input: process.stdin, output: process.stderr });
    try {
      const answer = await questions.question(`${question} [y/N] `);
      if (/^y(es)?$/i.test(answer.trim())) return;
    } finally {
      questions.close();
    }
    throw new CliError("usage", "Not confirmed: nothing was changed");
  }

  /** A moment for people, to the second. */
  time(instant: string | number): string {
    const at = new Date(instant);
    if (this.#options.utc) return at.toISOString().replace(/\.\d+Z$/, "Z");
    const pad = (value: number) => String(value).padStart(2, "0");
    const day = [at.getFullYear(), pad(at.getMonth() + 1), pad(at.getDate())].join("-");
    const clock = [pad(at.getHours()), pad(at.getMinutes()), pad(at.getSeconds())].join(":");
    return `${day} ${clock}`;
  }
}
