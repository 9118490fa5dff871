import {
  ACCEPTED,
  type Comparison,
  type Difference,
  type HarmlessDifference,
  LISTED_MAX,
  shortName,
  shortValue,
} from "./comparison.ts";
import { PartKind, type Properties, type Reading } from "./reading.ts";
import { cures, ruleOf } from "./rules.ts";

type Found = {
  readonly kind: PartKind;
  readonly part: string;
  readonly property: string;
  readonly label: string;
  readonly source: string | null;
  readonly target: string | null;
};

/**
 * Compares the machines of both sides. What neither a rule (rules.ts) nor the policy calls harmless is
 * a blocker. Of a part that only one side has, and of a place where the devices are of different types,
 * what is inside it is not listed.
 *
 * @param accepted names of differences that the policy accepts
 */
export function compareReadings(
  source: Reading,
  target: Reading,
  accepted: readonly string[] = [],
): Comparison {
  const findings = PartKind.options.flatMap((kind) => findIn(kind, source, target));
  const versionsDiffer = source.qemu !== target.qemu;
  const differences: Difference[] = [];
  const harmless: HarmlessDifference[] = [];
  const oneSided = new Map<string, string[]>();
  for (const found of findings) {
    if (versionsDiffer && isOneSided(found)) {
      const side = found.source === null ? "target" : "source";
      oneSided.set(side, [...(oneSided.get(side) ?? []), found.property]);
      continue;
    }
    const rule = ruleOf({ ...found, versionsDiffer });
    if (rule?.verdict === "unread") continue;
    const said = describe(found);
    if (rule !== undefined) harmless.push({ ...said, reason: rule.reason });
    else if (accepted.includes(said.name)) harmless.push({ ...said, reason: ACCEPTED });
    else differences.push({ ...said, cure: cures[found.kind] });
  }
  harmless.push(...[...oneSided].map(([side, names]) => versionOnly(side, names, source, target)));
  return {
    values: countValues(source),
    differences: differences.slice(0, LISTED_MAX),
    differencesTotal: differences.length,
    harmless: harmless.slice(0, LISTED_MAX),
    harmlessTotal: harmless.length,
  };
}

/** A property of a part that both sides have, which one of the QEMUs does not know. */
function isOneSided({ property, source, target, kind }: Found): boolean {
  const isKnown = kind === "device" || kind === "machine";
  return isKnown && property !== "" && (source === null || target === null);
}

function versionOnly(
  side: string,
  names: readonly string[],
  source: Reading,
  target: Reading,
): HarmlessDifference {
  const distinct = shortValue([...new Set(names)].sort().join(", "));
  const { qemu } = side === "source" ? source : target;
  return {
    name: `properties that only QEMU ${qemu} has`,
    source: side === "source" ? distinct : null,
    target: side === "target" ? distinct : null,
    reason:
      "only one of the two versions has them; the machine type keeps what is in the stream the same",
  };
}

function findIn(kind: PartKind, source: Reading, target: Reading): Found[] {
  const ours = source.parts[kind];
  const theirs = target.parts[kind];
  const found: Found[] = [];
  const hidden: string[] = [];
  for (const part of [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort()) {
    if (hidden.some((place) => part.startsWith(`${place}/`))) continue;
    if (kind === "disk" && !isSameDevice(part, source, target)) continue;
    const a = ours[part];
    const b = theirs[part];
    const label = `${kind} ${part}${deviceLabel(kind, part, a === undefined ? target : source)}`;
    if (a === undefined || b === undefined) {
      const values = { source: a ? summary(a) : null, target: b ? summary(b) : null };
      found.push({ kind, part, property: "", label, ...values });
      hidden.push(part);
    } else if (a.type !== b.type) {
      const values = { source: a.type ?? null, target: b.type ?? null };
      found.push({ kind, part, property: "type", label, ...values });
      hidden.push(part);
    } else {
      found.push(...differingProperties({ kind, part, label }, a, b));
    }
  }
  return found;
}

/** Else the device is the difference, and not its disk. */
function isSameDevice(place: string, source: Reading, target: Reading): boolean {
  const a = source.parts.device[place];
  const b = target.parts.device[place];
  return a !== undefined && b !== undefined && a.type === b.type;
}

/** Type and id, which the place does not have: of a device inside another one, the other one's id. */
function deviceLabel(kind: PartKind, place: string, reading: Reading): string {
  return kind === "device" || kind === "disk" ? placeLabel(place, reading) : "";
}

/** Type and id of the device at this place. */
export function placeLabel(place: string, { parts }: Pick<Reading, "parts">): string {
  const type = parts.device[place]?.type ?? "";
  const steps = place.split("/");
  const places = steps.map((_, at) => steps.slice(0, steps.length - at).join("/"));
  const id = places.map((above) => parts.device[above]?.id ?? "").find((one) => one !== "");
  return id === undefined ? ` (${type})` : ` (${type} "${id}")`;
}

function differingProperties(
  of: Pick<Found, "kind" | "part" | "label">,
  source: Properties,
  target: Properties,
): Found[] {
  const names = new Set([...Object.keys(source), ...Object.keys(target)]);
  return [...names].sort().flatMap((property) => {
    const a = source[property] ?? null;
    const b = target[property] ?? null;
    return a === b ? [] : [{ ...of, property, source: a, target: b }];
  });
}

function summary(properties: Properties): string {
  if (properties.type !== undefined) return properties.type;
  const shown = Object.entries(properties).map(([name, value]) => `${name} ${value}`);
  return shown.length === 0 ? "present" : shown.join(", ");
}

function describe({ label, property, source, target }: Found) {
  return {
    name: shortName(property === "" ? label : `${label}: ${property}`),
    source: source === null ? null : shortValue(source),
    target: target === null ? null : shortValue(target),
  };
}

function countValues({ parts }: Reading): number {
  let count = 0;
  for (const kind of PartKind.options) {
    for (const properties of Object.values(parts[kind])) count += Object.keys(properties).length;
  }
  return count;
}

/** One sentence for a refusal: the first difference with both values and its cure. */
export function describeDifferences({ differences, differencesTotal }: Comparison): string {
  const [first] = differences;
  if (first === undefined) return "both sides are the same";
  const more = differencesTotal > 1 ? ` (and ${differencesTotal - 1} more)` : "";
  return `${describeDifference(first)}${more}: ${first.cure}`;
}

/** What the two sides have, in one line. */
export function describeDifference({ name, source, target }: Difference): string {
  const value = (side: string | null) => (side === null ? "nothing" : `\`${side}\``);
  return `${name}: the source has ${value(source)}, the target ${value(target)}`;
}

/** The code of a failure for these differences. */
export function differenceCode(differences: readonly Difference[]) {
  const isStorage = differences.every(({ about }) => about === "storage");
  return isStorage ? "storage-not-shared" : "sides-differ";
}
