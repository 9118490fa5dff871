import * as z from "zod";

/** `next` is the cursor of the next page (`after`); the last page has none. */
export const page = <S extends z.ZodType>(item: S) =>
  z.strictObject({ items: z.array(item), next: z.string().optional() });
