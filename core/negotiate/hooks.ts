import type { SourceProbe } from "../protocol/probe.ts";
import type { Blocker } from "./agreement.ts";
import type { Wishes } from "./wishes.ts";

const PAUSE = "pause-before-switchover";
/** The field that asks for the pause when the source host has a hook for it. */
export const HOOK_FIELD = "source.hooks";

const needsPause = ({ hooks }: SourceProbe) => hooks?.includes("preSwitchover") === true;

/** A pre-switchover hook of the source host requires QEMU to pause there. */
export function withHooks(wishes: Wishes, source: SourceProbe): Wishes {
  const known = wishes.capabilities.get(PAUSE);
  if (!needsPause(source) || known?.strength === "forbid" || known?.strength === "require") {
    return wishes;
  }
  const wish = { strength: "require" as const, field: HOOK_FIELD };
  return { ...wishes, capabilities: new Map([...wishes.capabilities, [PAUSE, wish]]) };
}

/** A policy that forbids the pause would skip the host's hook. */
export function hookBlockers(wishes: Wishes, source: SourceProbe): Blocker[] {
  const known = wishes.capabilities.get(PAUSE);
  if (!needsPause(source) || known?.strength !== "forbid") return [];
  return [
    {
      code: "hook-needs-pause",
      ...(known.field === undefined ? {} : { field: known.field }),
      message: `The source host has a pre-switchover hook, which needs \`${PAUSE}\`, got \`forbid\``,
      cure: `Do not forbid \`${PAUSE}\`, or remove the hook from the configuration of the source's agent`,
    },
  ];
}
