import { followOptions } from "../follow.ts";
import {
  copyOption,
  dryRunOptions,
  policyFrom,
  policyOptions,
  startMigration,
} from "../migration-options.ts";
import type { Noun } from "../verb.ts";
import { explain } from "./explain.ts";
import { failures } from "./failures.ts";
import { evacuate } from "./plan.ts";
import { status } from "./status.ts";
import { top } from "./top.ts";

/** What is done every day, without a noun before it. */
export const everyday: Noun = {
  summary: "What is done every day",
  verbs: [
    status,
    {
      name: "migrate",
      summary: "Move a VM to another host",
      operations: ["createMigration", "getMigration"],
      arguments: [{ name: "<vm>", summary: "the VM to move", of: "vm" }],
      options: [
        { flags: "--to <host>", summary: "where it goes", of: "host", required: true },
        ...policyOptions,
        copyOption,
        ...dryRunOptions,
        ...followOptions,
      ],
      details:
        "Ctrl-C while it is watched ends the watching, not the migration.\n" +
        "The policy's fields: docs/reference/policies.md",
      run: async (session, input) =>
        startMigration(session, input, {
          vm: input.argument(0),
          target: input.text("to") ?? "",
          policy: await policyFrom(input),
        }),
    },
    evacuate,
    explain,
    top,
    failures,
  ],
};
