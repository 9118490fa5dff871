import { createClient } from "../../client/client.ts";
import { CliError } from "../exit/cli-error.ts";
import { baseUrl, profileName, tokenFrom } from "../profile/connection.ts";
import type { Argument, Noun, Verb } from "../verb.ts";

const name: Argument = { name: "<profile>", summary: "name of the profile" };

const HOW = "the control plane prints the command when it starts";

const login: Verb = {
  name: "login",
  summary: "Keep a control plane's URL and token in a profile",
  operations: ["listHosts"],
  details:
    "The token comes from --token-file (- is stdin), SWITCHYARD_TOKEN or SWITCHYARD_TOKEN_FILE, is\n" +
    "tried, and is then kept in credentials.toml (mode 600) beside config.toml in\n" +
    "$XDG_CONFIG_HOME/switchyard (default ~/.config/switchyard). Without a login SWITCHYARD_URL and\n" +
    "SWITCHYARD_TOKEN do as well. Options win over the environment, and that over the profile.",
  run: async (session) => {
    const { files, connectionOptions, environment, output } = session;
    const profile = profileName(files, connectionOptions, environment);
    const known = files.readProfiles();
    const given =
      connectionOptions.url ?? environment.SWITCHYARD_URL ?? known.profiles[profile]?.url;
    if (given === undefined) throw new CliError("usage", "Expected --url <url>", HOW);
    const token = tokenFrom(connectionOptions, environment);
    if (token === undefined)
      throw new CliError("usage", "Expected --token-file <file>, or - for stdin", HOW);
    const url = baseUrl(given);
    await createClient({ url, token }).listHosts({ limit: 1 });
    files.writeCredentials({ ...files.readCredentials(), [profile]: token });
    files.writeProfiles({
      current: profile,
      profiles: { ...known.profiles, [profile]: { url } },
    });
    output.note(`Logged in to ${url} (profile ${profile})`);
    return undefined;
  },
};

const logout: Verb = {
  name: "logout",
  summary: "Forget the token of a profile",
  operations: [],
  run: async (session) => {
    const { files, connectionOptions, environment, output } = session;
    const profile = profileName(files, connectionOptions, environment);
    files.writeCredentials(without(files.readCredentials(), profile));
    output.note(`The token of profile ${profile} is forgotten here; it is still valid`);
    return undefined;
  },
};

export const loginNoun: Noun = { summary: "Logging in", verbs: [login, logout] };

export const profileNoun: Noun = {
  name: "profile",
  summary: "Control planes that this user works with",
  verbs: [
    {
      name: "list",
      summary: "List profiles",
      operations: [],
      run: async ({ files, output }) => {
        const { current, profiles } = files.readProfiles();
        const tokens = files.readCredentials();
        const rows = Object.entries(profiles).map(([profile, { url }]) => ({
          profile,
          url,
          current: profile === current,
          token: Object.hasOwn(tokens, profile),
        }));
        output.list(
          rows,
          [
            { name: "PROFILE", text: (row) => row.profile },
            { name: "URL", text: (row) => row.url },
            { name: "TOKEN", text: (row) => (row.token ? "yes" : "no") },
            { name: "IN USE", text: (row) => (row.current ? "yes" : "") },
          ],
          (row) => row.profile,
        );
        return undefined;
      },
    },
    {
      name: "show",
      summary: "Show a profile: the one in use, or another one; never its token",
      operations: [],
      arguments: [{ ...name, name: "[profile]" }],
      run: async ({ files, output, connectionOptions, environment }, input) => {
        const { current, profiles } = files.readProfiles();
        const [given] = input.arguments;
        const wanted = given ?? profileName(files, connectionOptions, environment);
        const profile = required(profiles, wanted);
        const shown = {
          profile,
          url: profiles[profile]?.url,
          current: profile === current,
          token: Object.hasOwn(files.readCredentials(), profile),
        };
        output.object(shown, profile, [
          ["profile", profile],
          ["url", shown.url],
          ["token", shown.token ? "kept" : "none: switchyard login"],
          ["in use", shown.current ? "yes" : "no"],
        ]);
        return undefined;
      },
    },
    {
      name: "use",
      summary: "Use a profile from now on",
      operations: [],
      arguments: [name],
      run: async ({ files }, input) => {
        const { profiles } = files.readProfiles();
        files.writeProfiles({ current: required(profiles, input.argument(0)), profiles });
        return undefined;
      },
    },
    {
      name: "remove",
      summary: "Forget a profile and its token",
      operations: [],
      arguments: [name],
      run: async ({ files }, input) => {
        const { current, profiles } = files.readProfiles();
        const gone = required(profiles, input.argument(0));
        files.writeCredentials(without(files.readCredentials(), gone));
        const isCurrent = current === undefined || current === gone;
        files.writeProfiles({
          profiles: without(profiles, gone),
          ...(isCurrent ? {} : { current }),
        });
        return undefined;
      },
    },
  ],
};

function required(profiles: object, wanted: string): string {
  if (Object.hasOwn(profiles, wanted)) return wanted;
  const names = Object.keys(profiles).join(", ");
  const cure =
    names === "" ? "log in first: `switchyard login` makes one" : `take one of these: ${names}`;
  throw new CliError("missing", `There is no profile ${wanted}`, cure);
}

function without<T>(record: Readonly<Record<string, T>>, key: string): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter(([one]) => one !== key));
}
