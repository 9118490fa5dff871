import { z } from "zod";
import { HostId } from "../id.ts";
import { QemuProbe } from "./probe.ts";

/** What an agent reports of its host when it registers. */
export const HostFacts = z.strictObject({
  agentVersion: z.string(),
  /** Address on the migration network that peers connect to. */
  migrationAddress: z.string(),
  /** Memory for guests, by the agent's configuration. */
  memoryBytes: z.int().nonnegative(),
  qemu: QemuProbe,
});
export type HostFacts = z.infer<typeof HostFacts>;

/** A hypervisor host and its agent. */
export const Host = z.strictObject({
  id: HostId,
  /** `joining`: created, its agent has not registered yet. */
  state: z.enum(["joining", "active"]),
  /** How many migrations may go out, and come in, at the same time. */
  slotsOut: z.int().min(1).max(64),
  slotsIn: z.int().min(1).max(64),
  facts: HostFacts.optional(),
  /** The queue this host's agent receives its commands from. */
  queueUrl: z.string(),
  lastEventAt: z.iso.datetime().optional(),
  createdAt: z.iso.datetime(),
});
export type Host = z.infer<typeof Host>;
