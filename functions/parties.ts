import { z } from "zod";
import { HostId, VmId } from "../core/id.ts";

/** Who takes part in a migration. It never changes, so that tasks have it without asking. */
export const Parties = z.object({ vm: VmId, source: HostId, target: HostId });
export type Parties = z.infer<typeof Parties>;
