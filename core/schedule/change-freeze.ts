import * as z from "zod";
import { ChangeFreezeId } from "../id.ts";
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

/** Change freezes that a fleet may have at once. */
export const FREEZES_MAX = 200;

/** All change freezes of the fleet. */
export type FreezeCalendar = readonly ChangeFreeze[];

/** A change freeze as the API shows it. */
export const ChangeFreezeView = z.strictObject({
  id: ChangeFreezeId,
  ...ChangeFreeze.shape,
  startsAt: z.iso.datetime(),
  endsAt: z.iso.datetime(),
});
export type ChangeFreezeView = z.infer<typeof ChangeFreezeView>;

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
