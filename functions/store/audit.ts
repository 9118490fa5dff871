import { AuditEntry } from "../../core/audit.ts";
import { contentOf, cursorOf, type DayLog, entryKey, readDay } from "./day-log.ts";
import type { Listed, Page } from "./page.ts";
import { keptSeconds } from "./retention.ts";
import { expiresIn, putItem } from "./table.ts";

const auditLog: DayLog = { name: "AUDIT", shards: 4 };

/** Keeps what somebody has done. */
export async function addAuditEntry(entry: AuditEntry): Promise<void> {
  const ttl = expiresIn(keptSeconds.auditEntry);
  await putItem({ ...entryKey(auditLog, entry.at), ...entry, ttl });
}

/** The entries of a day, newest first. */
export async function listAudit(day: string, page: Page): Promise<Listed<AuditEntry>> {
  const { items, isCut } = await readDay(auditLog, day, { ...page, newestFirst: true });
  const last = items.at(-1);
  return {
    items: items.map((item) => AuditEntry.parse(contentOf(item))),
    ...(isCut && last !== undefined ? { next: cursorOf(last) } : {}),
  };
}
