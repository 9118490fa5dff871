import * as z from "zod";

export const Health = z.strictObject({ status: z.literal("ok") });
export const OpenApiDocument = z.record(z.string(), z.unknown());
