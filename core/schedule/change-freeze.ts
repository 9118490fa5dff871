import { z } from "zod";
import { WallTime, Zone } from "./start-times.ts";
import { instantOf } from "./zone.ts";

/** A period in which nothing starts and nothing runs, whatever the schedules say. */
export const ChangeFreeze = z
  .strictObject({
    from: WallTime,
    until: WallTime,
    zone: Zone,
    owner: z.string().min(1).max(200),
    message: z.string().max(1_000).optional(),
  })
  .refine(({ from, until }) => from < until, {
    path: ["until"],
    error: "expected a time after `from`",
  });
export type ChangeFreeze = z.infer<typeof ChangeFreeze>;

/** All change freezes of the fleet. */
export const FreezeCalendar = z.array(ChangeFreeze).max(1_000);
export type FreezeCalendar = z.infer<typeof FreezeCalendar>;

/** A stretch of time: the start belongs to it, the end does not. Instants in ms. */
export type Span = { readonly startMs: number; readonly endMs: number };

export function spanOf({ from, until, zone }: ChangeFreeze): Span {
  const instant = (time: string) => instantOf(zone, Date.parse(`${time}:00Z`));
  return { startMs: instant(from), endMs: instant(until) };
}

/** The change freeze that holds at an instant, the one that ends last. */
export function freezeAt(calendar: FreezeCalendar, atMs: number): ChangeFreeze | undefined {
  return calendar
    .map((freeze) => ({ freeze, span: spanOf(freeze) }))
    .filter(({ span }) => span.startMs <= atMs && atMs < span.endMs)
    .toSorted((one, other) => other.span.endMs - one.span.endMs)[0]?.freeze;
}

/** What the change freezes leave of a span, in order. */
export function openSpans(span: Span, calendar: FreezeCalendar): Span[] {
  const frozen = calendar.map(spanOf).toSorted((one, other) => one.startMs - other.startMs);
  const open: Span[] = [];
  let { startMs } = span;
  for (const freeze of frozen) {
    if (freeze.endMs <= startMs || freeze.startMs >= span.endMs) continue;
    if (freeze.startMs > startMs) open.push({ startMs, endMs: freeze.startMs });
    startMs = freeze.endMs;
  }
  if (startMs < span.endMs) open.push({ startMs, endMs: span.endMs });
  return open;
}
