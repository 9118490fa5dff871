import * as z from "zod";

/** What somebody has asked the API to change, and what it answered. */
export const AuditEntry = z.strictObject({
  /** When it was answered; entries of one moment are in any order. */
  at: z.iso.datetime(),
  /** Subject of the caller's token; `operator` for the one token of a local control plane. */
  who: z.string(),
  /** Method and path as the API has them, such as `POST /v1/hosts/{id}/retire`. */
  operation: z.string(),
  /** Path of the request. */
  path: z.string(),
  status: z.int(),
  /** Why it was refused. */
  code: z.string().optional(),
});
export type AuditEntry = z.infer<typeof AuditEntry>;

/** A day of UTC. */
export const AuditDay = z.iso.date();
/** An entry's place within its day: where a page begins. */
export const AuditCursor = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT[\d:.]+Z#[0-9a-f]{12}$/, "expected `next` of the page before");
