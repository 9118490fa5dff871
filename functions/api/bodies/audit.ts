import * as z from "zod";
import { AuditCursor, AuditEntry } from "../../../core/audit.ts";

export const AuditPage = z.strictObject({
  items: z.array(AuditEntry),
  next: AuditCursor.optional(),
});
