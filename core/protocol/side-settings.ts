import { z } from "zod";
import { ParameterValue } from "./probe.ts";

/** Capabilities and parameters that one side's QEMU is set to before a migration. */
export const SideSettings = z.strictObject({
  /** Every capability this side's QEMU has, on or off: nothing is left to an earlier migration. */
  capabilities: z.record(z.string(), z.boolean()),
  parameters: z.record(z.string(), ParameterValue),
});
export type SideSettings = z.infer<typeof SideSettings>;
