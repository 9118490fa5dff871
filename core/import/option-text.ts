/** One option of a `key=value` list, in its order. A key without a value is a flag that is on. */
export type OptionPair = readonly [key: string, value: string];

/**
 * Splits QEMU's `a,b=c,d=e,,f` (util/qemu-option.c, opts_do_parse): a comma ends a value unless it is
 * doubled. A flag without a value is `on`, with `no` before it `off`, as QEMU still takes it for some
 * options.
 *
 * @param first the key of a first value without a key, such as `driver` for `-device`
 */
export function optionPairs(text: string, first?: string): OptionPair[] {
  return splitAtCommas(text).map((part, index) => {
    const equals = part.indexOf("=");
    if (equals >= 0) return [part.slice(0, equals), part.slice(equals + 1)];
    if (index === 0 && first !== undefined) return [first, part];
    return part.startsWith("no") && FLAGS.has(part.slice(2))
      ? [part.slice(2), "off"]
      : [part, "on"];
  });
}

/** Flags that are written `nowait`, `nodelay`. */
const FLAGS = new Set(["wait", "delay", "ipv4", "ipv6"]);

function splitAtCommas(text: string): string[] {
  const parts: string[] = [];
  let part = "";
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character !== ",") part += character;
    else if (text.charAt(at + 1) === ",") {
      part += ",";
      at += 1;
    } else {
      parts.push(part);
      part = "";
    }
  }
  if (part !== "" || parts.length === 0) parts.push(part);
  return parts;
}

/** The last value of each key. */
export function optionMap(text: string, first?: string): Map<string, string> {
  return new Map(optionPairs(text, first));
}

/** The object of a JSON option; undefined for a `key=value` list. @throws SyntaxError */
export function jsonOption(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith("{")) return undefined;
  return JSON.parse(text) as Record<string, unknown>;
}

const UNITS = "KMGTPE";

/**
 * Bytes of a size as QEMU reads it, such as `512M` or `1.5G` (util/cutils.c, qemu_strtosz). Undefined
 * for what is no size.
 *
 * @param unit what a number without a unit counts in, bytes
 */
export function sizeBytes(text: string, unit = 1): number | undefined {
  const match = /^(0x[0-9a-f]+|\d+(?:\.\d+)?)([BKMGTPE]?)B?$/i.exec(text);
  if (match === null) return undefined;
  const letter = (match[2] ?? "").toUpperCase();
  const factor = letter === "" ? unit : letter === "B" ? 1 : 1024 ** (UNITS.indexOf(letter) + 1);
  const bytes = Number(match[1]) * factor;
  return Number.isSafeInteger(Math.round(bytes)) ? Math.round(bytes) : undefined;
}

const ON = new Set(["on", "yes", "true", "y"]);
const OFF = new Set(["off", "no", "false", "n"]);

/** Undefined for what is neither on nor off. */
export function switchOf(text: string): boolean | undefined {
  if (ON.has(text)) return true;
  return OFF.has(text) ? false : undefined;
}

/** `0-3` or `5`. */
export function numbersOf(range: string): number[] {
  const [first = 0, last = first] = range.split("-").map(Number);
  const count = Math.max(0, Math.min(last - first + 1, 4_096));
  return Array.from({ length: count }, (_, at) => first + at);
}
