/** SQLite, "Result and Error Codes": READONLY, IOERR, FULL; the low byte of an extended code. */
const SQLITE_CODES = new Set([8, 10, 13]);
const SYSTEM_CODES = new Set(["EDQUOT", "EFBIG", "EIO", "ENOSPC", "EROFS"]);

/** Whether the disk is full, fails, or may not be written to: the request may succeed later. */
export function isStorageFailure(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { errcode, code } = error as { errcode?: number; code?: string };
  if (errcode !== undefined) return SQLITE_CODES.has(errcode & 0xff);
  return code !== undefined && SYSTEM_CODES.has(code);
}
