import type { MapState } from "./definition.ts";
import type { Frame } from "./frame.ts";
import type { Json } from "./json.ts";
import { requireSize } from "./payload-size.ts";
import type { Transitions } from "./transitions.ts";

/** Input of an iteration: the item, or the value that ItemSelector makes of it. */
export async function itemInput(
  transitions: Transitions,
  frame: Frame,
  index: number,
): Promise<Json> {
  const { ItemSelector } = transitions.stateOf(frame) as MapState;
  const value = frame.items?.[index] ?? null;
  if (ItemSelector === undefined) return value;
  const item = { index, value };
  const input = await transitions.evaluate(frame, ItemSelector, "ItemSelector", { item });
  requireSize(input, { state: frame.state, what: "an item" });
  return input;
}
