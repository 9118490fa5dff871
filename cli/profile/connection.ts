import { readFileSync } from "node:fs";
import { CliError } from "../exit/cli-error.ts";
import type { ProfileFiles } from "./files.ts";

/** Where requests go, and by which token. */
export type Connection = { readonly url: string; readonly token: string };

export type ConnectionOptions = {
  readonly url?: string | undefined;
  readonly tokenFile?: string | undefined;
  readonly profile?: string | undefined;
};

const LOGIN = "switchyard login --url <url> --token-file <file>";

/**
 * Options win over the environment, and the environment over the profile.
 *
 * @throws CliError when there is no URL or no token
 */
export function findConnection(
  files: ProfileFiles,
  options: ConnectionOptions,
  environment: NodeJS.ProcessEnv,
): Connection {
  const name = profileName(files, options, environment);
  const own = urlOf(files, name);
  const chosen = options.url ?? given(environment.SWITCHYARD_URL) ?? own;
  if (chosen === undefined) throw new CliError("login", "No control plane is named", LOGIN);
  const url = baseUrl(chosen);
  // The token of one control plane is not sent to another.
  const stored = own === url ? tokenOf(files, name) : undefined;
  const token = tokenFrom(options, environment) ?? stored;
  if (token === undefined) throw new CliError("login", `There is no token for ${url}`, LOGIN);
  return { url, token };
}

export function profileName(
  files: ProfileFiles,
  options: ConnectionOptions,
  environment: NodeJS.ProcessEnv,
): string {
  const chosen = options.profile ?? given(environment.SWITCHYARD_PROFILE);
  return chosen ?? files.readProfiles().current ?? "default";
}

/** @throws CliError when the URL is not one of HTTP */
export function baseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") {
    return url.href.replace(/\/+$/, "");
  }
  throw new CliError("usage", `Expected an http or https URL, got \`${text}\``);
}

/** A token from a file or the environment; undefined: neither names one. */
export function tokenFrom(
  options: ConnectionOptions,
  environment: NodeJS.ProcessEnv,
): string | undefined {
  const file = options.tokenFile ?? given(environment.SWITCHYARD_TOKEN_FILE);
  if (options.tokenFile === undefined) {
    const token = given(environment.SWITCHYARD_TOKEN);
    if (token !== undefined) return token;
  }
  return file === undefined ? undefined : readToken(file);
}

function readToken(file: string): string {
  try {
    const token = readFileSync(file === "-" ? 0 : file, "utf8").trim();
    if (token !== "") return token;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError("login", `Failed to read the token: ${reason}`);
  }
  throw new CliError("login", `Expected a token in ${file}, and it is empty`);
}

function urlOf(files: ProfileFiles, name: string): string | undefined {
  const { profiles } = files.readProfiles();
  return Object.hasOwn(profiles, name) ? profiles[name]?.url : undefined;
}

function tokenOf(files: ProfileFiles, name: string): string | undefined {
  const tokens = files.readCredentials();
  return Object.hasOwn(tokens, name) ? tokens[name] : undefined;
}

function given(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}
