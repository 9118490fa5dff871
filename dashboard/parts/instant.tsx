import { age } from "../../core/format.ts";
import { nowMs } from "../clock.ts";

const clock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** A time, as its age; the time itself on a second look. */
export function Instant({ at }: { at: string }) {
  const ms = Date.parse(at);
  return (
    <time dateTime={at} title={`${clock.format(ms)} (${at})`}>
      {age(nowMs.value - ms)} ago
    </time>
  );
}

/** A time to come or gone, in the browser's time zone. */
export function Moment({ at }: { at: string }) {
  return (
    <time dateTime={at} title={at}>
      {clock.format(Date.parse(at))}
    </time>
  );
}
