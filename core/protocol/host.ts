import { z } from "zod";
import { HostId, VmId } from "../id.ts";
import { QemuProbe } from "./probe.ts";

/** Drawn at random by each agent process: of two with one host's key, the newest is heard. */
export const InstanceId = z.string().regex(/^[A-Za-z0-9-]{1,64}$/);
export type InstanceId = z.infer<typeof InstanceId>;

/** What an agent reports of its host when it registers. */
export const HostFacts = z.strictObject({
  agentVersion: z.string(),
  /** Address on the migration network that peers connect to. */
  migrationAddress: z.string(),
  /** Memory for guests, by the agent's configuration. */
  memoryBytes: z.int().nonnegative(),
  qemu: QemuProbe,
  /** /proc/sys/kernel/random/boot_id: another one means that the host has started again. */
  bootId: z.string().max(64).optional(),
  /** QEMU runs in its seccomp sandbox. Absent: an older agent. */
  sandbox: z.boolean().optional(),
});
export type HostFacts = z.infer<typeof HostFacts>;

/** Guests that one host may have. */
const GUESTS_MAX = 10_000;

/** What an agent posts when it starts. Agents of before 0.2 have no instance. */
export const Registration = z.strictObject({
  host: HostId,
  facts: HostFacts,
  instance: InstanceId.optional(),
  /** The VMs that have a process on this host, by the agent's own memory. Absent: an older agent. */
  guests: z.array(VmId).max(GUESTS_MAX).optional(),
});
export type Registration = z.infer<typeof Registration>;

/** An event that the table refuses for good: it had no effect, and the next ones do. */
export const UnfitEvent = z.strictObject({
  seq: z.int().positive(),
  type: z.string(),
  reason: z.string(),
  at: z.iso.datetime(),
});
export type UnfitEvent = z.infer<typeof UnfitEvent>;

/** What the table counts of a host: its guests and those that are moving here. */
export const HostUsage = z.strictObject({
  /** Migrations that hold a slot out of this host, and into it. */
  outgoing: z.int().nonnegative(),
  incoming: z.int().nonnegative(),
  reservedBytes: z.int().nonnegative(),
  /** Memory for guests, as its agent reported it; absent until it has registered. */
  memoryBytes: z.int().nonnegative().optional(),
});
export type HostUsage = z.infer<typeof HostUsage>;

/** A hypervisor host and its agent. */
export const Host = z.strictObject({
  id: HostId,
  /** `joining`: created, its agent has not registered yet. */
  state: z.enum(["joining", "active"]),
  /** How many migrations may go out, and come in, at the same time. */
  slotsOut: z.int().min(1).max(64),
  slotsIn: z.int().min(1).max(64),
  facts: HostFacts.optional(),
  /** Absent in the answer that creates the host. */
  usage: HostUsage.optional(),
  /** The queue this host's agent receives its commands from. */
  queueUrl: z.string(),
  lastEventAt: z.iso.datetime().optional(),
  /** The newest event of this host that could not be recorded. */
  unfitEvent: UnfitEvent.optional(),
  createdAt: z.iso.datetime(),
});
export type Host = z.infer<typeof Host>;
