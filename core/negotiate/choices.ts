import { capabilities, findCapability } from "../qemu/capabilities.ts";
import { findFlag } from "../qemu/libvirt-flags.ts";
import type { Choice } from "./agreement.ts";
import { HOOK_FIELD } from "./hooks.ts";
import type { Settlement } from "./settle.ts";
import type { Wish, Wishes } from "./wishes.ts";

/** Why each capability that is wanted or forbidden is on or off. */
export function explainCapabilities({ on, off }: Settlement, wishes: Wishes): Choice[] {
  return capabilities.flatMap(({ name }): Choice[] => {
    const wish = wishes.capabilities.get(name);
    if (on.has(name)) return [{ subject: name, value: true, reason: whyOn(name, wish) }];
    const why = off.get(name);
    if (why !== undefined) return [{ subject: name, value: false, reason: `off: ${why}` }];
    if (wish?.strength === "forbid") {
      return [{ subject: name, value: false, reason: `off: ${wish.field} forbids it` }];
    }
    return [];
  });
}

const strengths: Record<string, string> = {
  default: "on by default",
  ask: "asked for, and both sides support it",
  require: "required, and both sides support it",
};

function whyOn(name: string, wish: Wish | undefined): string {
  const effect = findCapability(name)?.effect ?? name;
  const { strength, field } = wish ?? { strength: "default" };
  const start =
    field === HOOK_FIELD
      ? "the source host has a pre-switchover hook"
      : (strengths[strength] ?? strength);
  const unstarted = name === "postcopy-ram" ? "; only the ladder `post-copy` begins it" : "";
  return `${start}: ${effect}${unstarted}`;
}

/** Flags that are accepted and change nothing. */
export function explainFlags(flags: readonly string[]): Choice[] {
  const found = new Set(flags.map(findFlag));
  return [...found].flatMap((flag): Choice[] =>
    flag?.always === undefined
      ? []
      : [{ subject: `flag ${flag.name}`, value: true, reason: `no effect: ${flag.always}` }],
  );
}
