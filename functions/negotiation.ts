import type { NegotiationResult } from "../core/negotiation.ts";
import type { MigrationPolicy } from "../core/policy.ts";
import type { SourceProbe, TargetProbe } from "../core/probe.ts";
import type { VmDefinition } from "../core/vm.ts";

type Input = {
  source: SourceProbe;
  target: TargetProbe;
  policy: MigrationPolicy;
  definition: VmDefinition;
};

const rules: string = "../core/negotiate.ts";

/** Negotiates by core's rules. */
export async function negotiate(input: Input): Promise<NegotiationResult> {
  const module: { negotiate: (input: Input) => NegotiationResult } = await import(rules);
  return module.negotiate(input);
}
