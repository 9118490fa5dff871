import { isPresent, type Version } from "../catalog/version.ts";
import type { Commands } from "../qmp/command.ts";
import { buildSchema } from "../qmp/schema.ts";
import { blockCommands } from "./block.ts";
import { introspectionCommands } from "./introspection.ts";
import { jobCommands } from "./jobs.ts";
import { machineTreeCommands } from "./machine-tree.ts";
import { migrationCommands } from "./migration.ts";
import { objectCommands } from "./objects.ts";
import { runStateCommands } from "./run-state.ts";
import { tracingCommands } from "./tracing.ts";

/** Every command that a process of `version` knows. */
export function listCommands(version: Version): Commands {
  const all: Commands = {
    ...migrationCommands,
    ...runStateCommands,
    ...introspectionCommands,
    ...objectCommands,
    ...machineTreeCommands,
    ...blockCommands,
    ...jobCommands,
    ...tracingCommands,
    "query-commands": {
      arguments: {},
      run: () => ["qmp_capabilities", ...Object.keys(known)].map((name) => ({ name })),
    },
    "query-qmp-schema": { arguments: {}, run: () => buildSchema(version, known) },
  };
  const known = Object.fromEntries(
    Object.entries(all).filter(([, command]) => isPresent(version, command)),
  );
  return known;
}
