import type { Input } from "./input.ts";
import type { Option } from "./verb.ts";

/** Who asks for something, and why: for people to read. */
export const authorOptions: readonly Option[] = [
  { flags: "--by <name>", summary: "who does it (default: operator)" },
  { flags: "-m, --message <text>", summary: "why, for people" },
];

type Message = { readonly message?: string };

function messageOf(input: Input): Message {
  const message = input.text("message");
  return message === undefined ? {} : { message };
}

/** For an evacuation. */
export function actingOf(input: Input): Message & { readonly by?: string } {
  const by = input.text("by");
  return { ...messageOf(input), ...(by === undefined ? {} : { by }) };
}

/** For a host. */
export function ownerOf(input: Input): Message & { readonly owner?: string } {
  const owner = input.text("by");
  return { ...messageOf(input), ...(owner === undefined ? {} : { owner }) };
}
