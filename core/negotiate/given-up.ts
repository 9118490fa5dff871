import type { SideSettings } from "../protocol/side-settings.ts";
import { findCapability } from "../qemu/capabilities.ts";
import { neededBy } from "../qemu/capability-rules.ts";
import type { Agreement, Choice } from "./agreement.ts";
import type { MigrationPolicy } from "./policy.ts";
import { readWishes } from "./wishes.ts";

/** A capability that the target's QEMU refused, with its words. */
export type GivenUp = { readonly capability: string; readonly reason: string };

/**
 * The agreed capabilities that were asked for and not required, and that no required one needs: the
 * target may leave them off.
 */
export function optionalCapabilities({ target }: Agreement, policy: MigrationPolicy): string[] {
  const wishes = readWishes(policy).capabilities;
  const isAsked = (name: string) => wishes.get(name)?.strength === "ask";
  const isOn = (name: string) => target.capabilities[name] === true;
  const isNeeded = (name: string) =>
    Object.keys(target.capabilities).some(
      (other) => isOn(other) && !isAsked(other) && neededBy(other).includes(name),
    );
  return Object.keys(target.capabilities).filter(
    (name) => isOn(name) && isAsked(name) && !isNeeded(name),
  );
}

/**
 * The agreement without what the target's QEMU refused, on both sides, and without what depends on
 * it. Its choices give QEMU's words.
 */
export function withoutCapabilities(agreement: Agreement, refused: readonly GivenUp[]): Agreement {
  const off = withDependants(agreement, refused);
  const choices: Choice[] = off.map(({ capability, reason }) => ({
    subject: capability,
    value: false,
    reason: `off: the target's QEMU refused it: ${reason}`,
  }));
  const names = new Set(off.map(({ capability }) => capability));
  return {
    ...agreement,
    source: switchOff(agreement.source, names),
    target: switchOff(agreement.target, names),
    choices: [...agreement.choices.filter(({ subject }) => !names.has(subject)), ...choices],
  };
}

function withDependants({ source }: Agreement, refused: readonly GivenUp[]): GivenUp[] {
  const found = refused.filter(({ capability }) => findCapability(capability) !== undefined);
  // The list grows while it is read: dependants of dependants are found, too.
  for (const { capability } of found) {
    for (const [name, isOn] of Object.entries(source.capabilities)) {
      const isKnown = found.some((other) => other.capability === name);
      if (!isOn || isKnown || !neededBy(name).includes(capability)) continue;
      found.push({ capability: name, reason: `it requires ${capability}` });
    }
  }
  return found;
}

function switchOff(settings: SideSettings, names: ReadonlySet<string>): SideSettings {
  const capabilities = Object.entries(settings.capabilities).map(
    ([name, isOn]): [string, boolean] => [name, isOn && !names.has(name)],
  );
  return { ...settings, capabilities: Object.fromEntries(capabilities) };
}
