import * as z from "zod";
import { Migration } from "../../../core/migration/migration.ts";
import { Host } from "../../../core/protocol/host.ts";

/** The fleet at one moment; `truncated`: there are more hosts or migrations than it has. */
export const Fleet = z.strictObject({
  hosts: z.array(Host.extend({ vms: z.int().nonnegative() })),
  migrations: z.array(Migration.omit({ agreement: true, twinCheck: true })),
  truncated: z.boolean(),
});
