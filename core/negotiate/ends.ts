import type { SourceProbe, TargetProbe } from "../protocol/probe.ts";
import type { VmDefinition } from "../vm.ts";

/** What negotiation knows of both sides and of the VM. */
export type Ends = { source: SourceProbe; target: TargetProbe; definition: VmDefinition };
