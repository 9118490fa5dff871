import type { Verb } from "../verb.ts";
import { CLI_VERSION } from "../version.ts";

/** Of this program; no control plane is asked. */
export const versionVerb: Verb = {
  name: "version",
  summary: "Print the version of the command line and of its Node",
  operations: [],
  details: "`switchyard --version` prints the number only.",
  run: async ({ output }) => {
    const { version: node, platform, arch } = process;
    const shown = { version: CLI_VERSION, node, platform: `${platform}-${arch}` };
    output.object(shown, CLI_VERSION, [
      ["switchyard", CLI_VERSION],
      ["node", node],
      ["platform", shown.platform],
    ]);
    return undefined;
  },
};
