import { z } from "zod";

/** What a caller says about one capability. */
export const CapabilityWish = z.enum(["ask", "forbid", "require"]);
export type CapabilityWish = z.infer<typeof CapabilityWish>;
