import type { Draft, Part } from "./draft.ts";
import { numbersOf, type OptionPair } from "./option-text.ts";
import { type TypedKind, typedValue } from "./property-types.ts";

const ONE_OR_MORE = new Set(["host-nodes"]);

/**
 * The object that a `key=value` list stands for: dotted keys are objects and lists (util/keyval.c),
 * values have the types that JSON needs.
 */
export function typedPart(kind: TypedKind, pairs: readonly OptionPair[], draft: Draft): Part {
  const part: Part = {};
  const driver = String(new Map(pairs).get("driver") ?? "");
  for (const [key, text] of pairs) {
    const value = typedValue(kind, key, text, driver);
    if (value === undefined) {
      const reason = "the number is too large to be exact in JSON";
      draft.note("unknown", `-${kind} ${driver} ${key}=${text}`, reason);
    } else if (ONE_OR_MORE.has(key)) {
      part[key] = [...((part[key] as number[] | undefined) ?? []), ...numbersOf(text)];
    } else if (kind === "device") part[key] = value;
    else setAt(part, key.split("."), value);
  }
  return withLists(part) as Part;
}

function setAt(part: Part, path: readonly string[], value: unknown): void {
  const [key = "", ...rest] = path;
  if (rest.length === 0) {
    part[key] = value;
    return;
  }
  const child = part[key];
  const inner: Part = typeof child === "object" && child !== null ? (child as Part) : {};
  part[key] = inner;
  setAt(inner, rest, value);
}

/** An object whose keys are 0, 1, 2… is a list. */
function withLists(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, withLists(inner)] as const);
  const isList = entries.length > 0 && entries.every(([key], index) => key === String(index));
  return isList ? entries.map(([, inner]) => inner) : Object.fromEntries(entries);
}
