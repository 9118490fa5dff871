import { countedMetrics, type Metric } from "../../core/metrics.ts";

/**
 * Names of the counters' attributes. Each addition is charged by the size of the whole item, and a
 * series' own name, such as `switchyard_ack_wait_seconds_bucket{mode="required",le="5"}`, is most of
 * it. In the table that is `aw.b|required|5`.
 */
const SEPARATOR = "|";
const definitions: Readonly<Record<string, Metric>> = countedMetrics;
const kinds = { b: "_bucket", s: "_sum", c: "_count" } as const;
const byShort = new Map(Object.entries(definitions).map(([name, { short }]) => [short, name]));

/** A series' attribute; its own name if it has no short one. */
export function attributeOf(series: string): string {
  const [, name = "", , labels = ""] = /^(\w+)(\{(.*)\})?$/.exec(series) ?? [];
  const start = startOf(name);
  if (start === undefined) return series;
  const values = [...labels.matchAll(/\w+="([^"\\|]*)"/g)].map(([, value = ""]) => value);
  const attribute = [start, ...values].join(SEPARATOR);
  return seriesOf(attribute) === series ? attribute : series;
}

/** The series of an attribute. Tables of before have series' own names. */
export function seriesOf(attribute: string): string {
  const [start = "", ...values] = attribute.split(SEPARATOR);
  const [short, kind] = start.split(".");
  const name = byShort.get(short);
  if (name === undefined) return attribute;
  const suffix = kind === undefined ? "" : kinds[kind as keyof typeof kinds];
  const names = [...(definitions[name]?.labels ?? []), ...(kind === "b" ? ["le"] : [])];
  const labels = values.map((value, place) => `${names[place]}="${value}"`).join(",");
  return `${name}${suffix}${labels === "" ? "" : `{${labels}}`}`;
}

/** The short name, with the kind of a histogram's series: `m`, `aw.b`. */
function startOf(name: string): string | undefined {
  const own = definitions[name]?.short;
  if (own !== undefined) return own;
  for (const [kind, suffix] of Object.entries(kinds)) {
    if (!name.endsWith(suffix)) continue;
    const short = definitions[name.slice(0, -suffix.length)]?.short;
    if (short !== undefined) return `${short}.${kind}`;
  }
  return undefined;
}
