import * as z from "zod";
import { ByWhom, CORDONS_MAX, HostCordon } from "../host/cordon.ts";
import { HostState } from "../host/host-state.ts";
import { ResourceName } from "../host-resources.ts";
import { HostId, VmId } from "../id.ts";
import { LabelChange, Labels } from "../labels.ts";
import { CpuModels, HostCpu } from "./host-cpu.ts";
import { HostMemoryFacts } from "./host-memory.ts";
import { QemuProbe, TlsKind } from "./probe.ts";
import { KeyId } from "./signature.ts";

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
  // What follows is absent from older agents. The planner assumes what it does not know, and says so.
  ...HostCpu.shape,
  /** What its guests' CPUs can be, by accelerator. */
  cpuModels: z.strictObject({ tcg: CpuModels.optional(), kvm: CpuModels.optional() }).optional(),
  accelerators: z.array(z.enum(["tcg", "kvm"])).optional(),
  /** Of the host's memory, what does not change while guests come and go. */
  memory: HostMemoryFacts.optional(),
  /** userfaultfd can be used, which postcopy needs on the target. */
  userfaultfd: z.boolean().optional(),
  /** Speed of the link to the migration network, B/s. */
  linkBytesPerSecond: z.int().positive().optional(),
  /** Names of the host resources in the agent's configuration. */
  resources: z.array(ResourceName).max(1_000).optional(),
  /** Ways in which it can encrypt the stream, on either side. */
  tls: z.array(TlsKind).optional(),
  /** Hooks that need a capability. */
  hooks: z.array(z.enum(["preSwitchover"])).optional(),
  /** Why it cannot listen for a migration; absent where it can. */
  cannotListen: z.string().max(500).optional(),
});
export type HostFacts = z.infer<typeof HostFacts>;

/** Guests that one host may have. */
const GUESTS_MAX = 10_000;

/** What an agent posts when it starts. Agents of before 0.2 have no instance. */
export const Registration = z.strictObject({
  host: HostId,
  facts: HostFacts,
  instance: InstanceId.optional(),
  /**
   * The VMs that have a process on this host by the agent's own memory, or whose exit it has yet to report.
   * Absent: an older agent.
   */
  guests: z.array(VmId).max(GUESTS_MAX).optional(),
  /** The agent promises a heartbeat this often, ms. Absent: an older agent, which sends none. */
  heartbeatMs: z.int().min(1_000).max(600_000).optional(),
});
export type Registration = z.infer<typeof Registration>;

/** What an agent posts to be heard while it has no events. */
export const Heartbeat = z.strictObject({ host: HostId, instance: InstanceId });
export type Heartbeat = z.infer<typeof Heartbeat>;

/** An event that the table refuses for good: it had no effect, and the next ones do. */
export const UnfitEvent = z.strictObject({
  seq: z.int().positive(),
  type: z.string(),
  reason: z.string(),
  at: z.iso.datetime(),
});
export type UnfitEvent = z.infer<typeof UnfitEvent>;

/** Speed of a link, B/s, as an operator states it. */
const LinkRate = z.int().min(1_000).max(Number.MAX_SAFE_INTEGER);
const Slots = z.int().min(1).max(64);
const PrepareAhead = z.int().min(0).max(256);
/** What the table counts of a host: its guests and those that are moving here. */
export const HostUsage = z.strictObject({
  /** Migrations that hold a slot out of this host, and into it. */
  outgoing: z.int().nonnegative(),
  incoming: z.int().nonnegative(),
  /** Migrations that are prepared, or wait prepared for a slot, out of this host, and into it. */
  preparingOut: z.int().nonnegative(),
  preparingIn: z.int().nonnegative(),
  reservedBytes: z.int().nonnegative(),
  /** Memory for guests, as its agent reported it; absent until it has registered. */
  memoryBytes: z.int().nonnegative().optional(),
});
export type HostUsage = z.infer<typeof HostUsage>;

/** A hypervisor host and its agent. */
export const Host = z.strictObject({
  id: HostId,
  state: HostState,
  /** Since when its lifecycle is what it is: joined, in maintenance, retiring, retired. */
  stateSince: z.iso.datetime().optional(),
  /** Who brought it into maintenance, or retired it. */
  stateBy: ByWhom.optional(),
  /** Who confirmed that the silent host is down, and when. Void once its agent is heard again. */
  down: z.strictObject({ ...ByWhom.shape, at: z.iso.datetime() }).optional(),
  /** When its agent was heard last: an event, a heartbeat or its registration. */
  heardAt: z.iso.datetime().optional(),
  /**
   * How far its clock was ahead of the control plane's at its last heartbeat, ms; less than it is by the
   * time that the request took.
   */
  clockOffsetMs: z.int().optional(),
  /** It has not been heard for longer than its agent promised. Its guests may run on. */
  silentSince: z.iso.datetime().optional(),
  /** Who wants no guest to come to it; empty: nobody. */
  cordons: z.array(HostCordon).max(CORDONS_MAX).default([]),
  labels: Labels.default({}),
  /** How many migrations may go out, and come in, at the same time. */
  slotsOut: Slots,
  slotsIn: Slots,
  /**
   * How many more, in each direction, may be prepared and wait for a slot: each holds its memory on
   * the target. 0: none is. Absent: 3 × slots + 2.
   */
  prepareAhead: PrepareAhead.optional(),
  /** Instead of the link's speed that its agent reports. */
  linkOutBytesPerSecond: LinkRate.optional(),
  linkInBytesPerSecond: LinkRate.optional(),
  facts: HostFacts.optional(),
  /** Absent in the answer that creates the host. */
  usage: HostUsage.optional(),
  /** The queue this host's agent receives its commands from. */
  queueUrl: z.string(),
  /** The key of its agent, and since when; absent before it has joined, and once it was revoked. */
  key: z.strictObject({ id: KeyId, since: z.iso.datetime() }).optional(),
  /** The agent was asked to replace its key, and has not yet. */
  rotateKey: z.boolean().optional(),
  /** A join token was issued, and was not used. */
  joinTokenExpiresAt: z.iso.datetime().optional(),
  lastEventAt: z.iso.datetime().optional(),
  /** The newest event of this host that could not be recorded. */
  unfitEvent: UnfitEvent.optional(),
  createdAt: z.iso.datetime(),
});
export type Host = z.infer<typeof Host>;

/** What an operator changes of a host; what is absent stays. */
export const HostChange = z
  .strictObject({
    labels: LabelChange.optional(),
    slotsOut: Slots.optional(),
    slotsIn: Slots.optional(),
    /** `null`: 3 × slots + 2. */
    prepareAhead: PrepareAhead.nullable().optional(),
    /** `null`: as its agent reports it. */
    linkOutBytesPerSecond: LinkRate.nullable().optional(),
    linkInBytesPerSecond: LinkRate.nullable().optional(),
  })
  .refine((change) => Object.keys(change).length > 0, "expected a field to change");
export type HostChange = z.infer<typeof HostChange>;
