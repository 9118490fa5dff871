import * as z from "zod";

/** What a caller wants of one capability: on if possible, off, or on in any case. */
export const CapabilityWish = z.enum(["ask", "forbid", "require"]);
export type CapabilityWish = z.infer<typeof CapabilityWish>;
