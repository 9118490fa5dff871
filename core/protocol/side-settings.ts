import * as z from "zod";
import { ParameterValue } from "./probe.ts";

/** What one side's QEMU is set to before a migration. */
export const SideSettings = z.strictObject({
  /** Every capability of this side's QEMU, on or off: earlier migrations leave no trace. */
  capabilities: z.record(z.string(), z.boolean()),
  parameters: z.record(z.string(), ParameterValue),
});
export type SideSettings = z.infer<typeof SideSettings>;
