import { readFile } from "node:fs/promises";
import { text as readAll } from "node:stream/consumers";
import { CliError } from "./exit/cli-error.ts";

const unitsMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const unitsBytes: Readonly<Record<string, number>> = {
  "": 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
};

/** What was given to a command: arguments in order, options by their names in camel case. */
export class Input {
  readonly arguments: readonly string[];
  readonly #options: Readonly<Record<string, unknown>>;

  constructor(given: readonly string[], options: Readonly<Record<string, unknown>>) {
    this.arguments = given;
    this.#options = options;
  }

  /** An argument that commander has required already. */
  argument(place: number): string {
    const value = this.arguments[place];
    if (value === undefined) throw new RangeError(`Expected an argument at place ${place}`);
    return value;
  }

  text(option: string): string | undefined {
    const value = this.#options[option];
    return typeof value === "string" ? value : undefined;
  }

  texts(option: string): readonly string[] {
    const value = this.#options[option];
    return Array.isArray(value) ? value.map(String) : [];
  }

  flag(option: string): boolean {
    return this.#options[option] === true;
  }

  /** Whether `--no-<option>` was given. */
  isOff(option: string): boolean {
    return this.#options[option] === false;
  }

  whole(option: string, min = 0): number | undefined {
    const given = this.text(option);
    if (given === undefined) return undefined;
    const value = Number(given);
    if (/^\d+$/.test(given) && Number.isSafeInteger(value) && value >= min) return value;
    throw wrong(option, `a whole number of at least ${min}`, given);
  }

  /** @throws CliError when it is no instant */
  instant(option: string): string | undefined {
    const given = this.text(option);
    if (given === undefined) return undefined;
    const ms = /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(given) ? Date.parse(given) : NaN;
    if (!Number.isNaN(ms)) return new Date(ms).toISOString();
    throw wrong(option, "an instant such as 2026-12-01T22:00:00Z", given);
  }

  /** `250ms`, `30s`, `5m`, `24h`, `7d`. */
  durationMs(option: string): number | undefined {
    const given = this.text(option);
    if (given === undefined) return undefined;
    const [, count = "", unit = ""] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(given) ?? [];
    const factor = unitsMs[unit];
    if (factor !== undefined) return Number(count) * factor;
    throw wrong(option, "a time such as 250ms, 30s, 5m, 24h or 7d", given);
  }

  /** `0`, `125000000`, `500M`, `1.5G`: bytes in a second, units binary. */
  bytesPerSecond(option: string): number | undefined {
    const given = this.text(option);
    return given === undefined ? undefined : parseBytesPerSecond(option, given);
  }

  /** JSON from a file, or from stdin where the file is `-`. */
  async json(option: string): Promise<unknown> {
    const given = this.text(option);
    return given === undefined ? undefined : readJson(given);
  }
}

export function parseBytesPerSecond(name: string, given: string): number {
  const [, count = "", unit = ""] = /^(\d{1,15}(?:\.\d{1,3})?)([KMG]?)$/.exec(given) ?? [];
  const value = Math.round(Number(count) * (unitsBytes[unit] ?? 1));
  if (count !== "" && Number.isSafeInteger(value)) return value;
  throw wrong(name, "bytes per second such as 125000000, 500M or 1.5G", given);
}

/** `name=value` words; `name=` removes that label. @throws CliError */
export function parseLabels(words: readonly string[]): Record<string, string | null> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf("=");
      if (at < 1) throw new CliError("usage", `Expected labels as name=value, got \`${word}\``);
      const value = word.slice(at + 1);
      return [word.slice(0, at), value === "" ? null : value];
    }),
  );
}

/** @throws CliError when the file cannot be read or has no JSON */
export async function readJson(file: string): Promise<unknown> {
  const content = await readText(file);
  try {
    return JSON.parse(content);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("usage", `Expected JSON in ${file}: ${reason}`);
  }
}

/** @throws CliError when the file cannot be read */
export async function readText(file: string): Promise<string> {
  try {
    return file === "-" ? await readAll(process.stdin) : await readFile(file, "utf8");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("usage", `Failed to read ${file}: ${reason}`);
  }
}

function wrong(option: string, expected: string, given: string): CliError {
  const flag = option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return new CliError("usage", `Expected ${flag} to be ${expected}, got \`${given}\``);
}
