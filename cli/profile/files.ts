import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { parse, stringify } from "smol-toml";
import { CliError } from "../exit/cli-error.ts";

/** Bits of a file's mode by which others than its owner may use it. */
const OTHERS = 0o077;

export type Profile = { readonly url: string };
export type Profiles = {
  readonly current?: string;
  readonly profiles: Readonly<Record<string, Profile>>;
};
/** Tokens by the profile's name. */
export type Credentials = Readonly<Record<string, string>>;

/** The folder of the configuration, as the XDG base directory specification says. */
export function configFolder(environment: NodeJS.ProcessEnv): string {
  const base = environment.XDG_CONFIG_HOME;
  return join(base !== undefined && base !== "" ? base : join(homedir(), ".config"), "switchyard");
}

/** Profiles and their tokens, in two files: the tokens' one is for its owner only. */
export class ProfileFiles {
  readonly #config: string;
  readonly #credentials: string;

  constructor(folder: string) {
    this.#config = join(folder, "config.toml");
    this.#credentials = join(folder, "credentials.toml");
  }

  readProfiles(): Profiles {
    const { current, profiles } = readToml(this.#config);
    const entries = Object.entries(isRecord(profiles) ? profiles : {}).map(([name, profile]) => {
      if (isRecord(profile) && typeof profile.url === "string") {
        return [name, { url: profile.url }] as const;
      }
      throw new CliError("usage", `Expected profiles.${name} of ${this.#config} to have a url`);
    });
    return {
      profiles: Object.fromEntries(entries),
      ...(typeof current === "string" ? { current } : {}),
    };
  }

  writeProfiles(profiles: Profiles): void {
    replace(this.#config, stringify(profiles), 0o644);
  }

  /** @throws CliError when others may read the file */
  readCredentials(): Credentials {
    const mode = modeOf(this.#credentials);
    if (mode === undefined) return {};
    if ((mode & OTHERS) !== 0) {
      throw new CliError(
        "login",
        `Others may read the tokens in ${this.#credentials} (mode ${(mode & 0o777).toString(8)})`,
        `chmod 600 ${this.#credentials}, and change the tokens if others use this machine`,
      );
    }
    const { tokens } = readToml(this.#credentials);
    return Object.fromEntries(
      Object.entries(isRecord(tokens) ? tokens : {}).filter(
        (entry): entry is [string, string] => typeof entry[1] === "string",
      ),
    );
  }

  writeCredentials(tokens: Credentials): void {
    replace(this.#credentials, stringify({ tokens }), 0o600);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function modeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mode;
}

function readToml(file: string): Record<string, unknown> {
  if (modeOf(file) === undefined) return {};
  try {
    return parse(readFileSync(file, "utf8"));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("usage", `Failed to read ${file}: ${reason}`);
  }
}

/** The file has its mode before it has its content. */
function replace(file: string, content: string, mode: number): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = `${file}.${process.pid}`;
  try {
    writeFileSync(fresh, content, { mode, flag: "wx" });
    chmodSync(fresh, mode);
    renameSync(fresh, file);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}
