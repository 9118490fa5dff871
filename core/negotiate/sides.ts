import { findCapability } from "../qemu/capabilities.ts";

export type Side = "source" | "target";

/** What is switched on at one end when these capabilities are on for the migration. */
export function onAt(side: Side, on: ReadonlySet<string>): Set<string> {
  const here = [...on].filter((name) => isSetAt(side, name, on));
  return new Set(here);
}

function isSetAt(side: Side, name: string, on: ReadonlySet<string>): boolean {
  const owner = findCapability(name)?.side;
  if (owner === side || owner === "both" || owner === "each") return true;
  // The target does not use it, yet QEMU refuses switchover-ack without it there too.
  return name === "return-path" && on.has("switchover-ack");
}
