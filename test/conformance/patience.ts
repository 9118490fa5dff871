/**
 * How long what must come is awaited, ms: long enough for a machine that is very busy. It costs time
 * only where a dialogue fails.
 */
export const PATIENCE_MS = 30_000;
