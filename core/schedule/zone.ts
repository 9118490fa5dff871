/**
 * A time on the clocks of a zone, without the zone: ms after 1970-01-01T00:00 on those clocks. The
 * clocks of UTC show the same number as the instant.
 */
export type WallMs = number;

const DAY_MS = 86_400_000;

const formats = new Map<string, Intl.DateTimeFormat>();

/** @throws RangeError when the zone is not known */
function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone);
  if (known !== undefined) return known;
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    calendar: "iso8601",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
    second: "numeric",
  });
  formats.set(zone, format);
  return format;
}

/** Whether it is a name of the IANA's time zone database. Offsets such as `+02:00` are none. */
export function isZone(zone: string): boolean {
  if (!/^[A-Z]/i.test(zone)) return false;
  try {
    formatOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** What the clocks of a zone show at an instant. */
export function wallAt(zone: string, atMs: number): WallMs {
  const parts = new Map(
    formatOf(zone)
      .formatToParts(atMs)
      .map(({ type, value }) => [type, Number(value)]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  const wholeSeconds = Date.UTC(
    part("year"),
    part("month") - 1,
    part("day"),
    part("hour"),
    part("minute"),
    part("second"),
  );
  return wholeSeconds + (((atMs % 1000) + 1000) % 1000);
}

/**
 * The one instant that a time on the clocks of a zone stands for. A time that the clocks skip is the
 * end of the gap; of a time that they show twice, the first counts.
 */
export function instantOf(zone: string, wall: WallMs): number {
  const offsetAt = (atMs: number) => wallAt(zone, atMs) - atMs;
  // A zone's offset changes at most once within two days.
  const before = wall - offsetAt(wall - DAY_MS);
  const after = wall - offsetAt(wall + DAY_MS);
  // By the offset before the change, it is the first of two.
  if (wallAt(zone, before) === wall) return before;
  if (wallAt(zone, after) === wall) return after;
  return firstInstant(after, before, (atMs) => wallAt(zone, atMs) > wall);
}

/** The first instant of a range at which something holds that holds from then on. */
function firstInstant(low: number, high: number, holds: (atMs: number) => boolean): number {
  let first = low;
  let last = high;
  while (first < last) {
    const middle = Math.floor((first + last) / 2);
    if (holds(middle)) last = middle;
    else first = middle + 1;
  }
  return first;
}
