import type { Lifetime, QemuRelease } from "./version.ts";

/** Why something is refused, and what to do instead; both for people. */
export type Refusal = { readonly why: string; readonly cure: string };

/**
 * One of QEMU's migration capabilities. All of them are off by default. Source: QAPI schema,
 * migration.json, MigrationCapability, QEMU 7.2 to 11.1; tried on 7.2.22, 10.0 and 11.1.3.
 */
export type Capability = Lifetime & {
  readonly name: string;
  readonly since: QemuRelease;
  /**
   * Where it is switched on: `source`, `target`, `both`, or `each` side that has it, whatever the other
   * side has.
   */
  readonly side: "source" | "target" | "both" | "each";
  /** On at one side only, the migration fails or hangs. */
  readonly mustMatch: boolean;
  readonly deprecated?: QemuRelease;
  readonly unstable?: true;
  /** What it does, as the end of a sentence that begins with "on: " or with its name. */
  readonly effect: string;
  /** Why it cannot be used to move a running guest over the network. */
  readonly refusal?: Refusal;
};

const removeFromPolicy = (name: string) => `Remove \`${name}\` from the policy`;

/** In the order of QEMU's own list. */
export const capabilities: readonly Capability[] = [
  {
    name: "xbzrle",
    since: "1.2",
    side: "source",
    mustMatch: false,
    effect: "pages that were sent before are sent as differences",
  },
  {
    name: "rdma-pin-all",
    since: "2.0",
    side: "source",
    mustMatch: false,
    effect: "guest memory is pinned for RDMA",
    refusal: {
      why: "it only affects the rdma transport, which is not used here",
      cure: removeFromPolicy("rdma-pin-all"),
    },
  },
  {
    name: "auto-converge",
    since: "1.6",
    side: "source",
    mustMatch: false,
    effect:
      "the guest's CPUs are slowed down when it dirties memory faster than the link carries it",
  },
  {
    name: "zero-blocks",
    since: "1.6",
    removed: "11.0",
    deprecated: "9.2",
    side: "source",
    mustMatch: false,
    effect: "zero blocks of copied disks are not sent; without disk copying it does nothing",
  },
  {
    name: "compress",
    since: "2.4",
    removed: "9.1",
    deprecated: "8.2",
    side: "both",
    mustMatch: true,
    effect: "pages are compressed by threads",
    refusal: {
      why: "it is deprecated since QEMU 8.2 and was removed in 9.1",
      cure: "Ask for `multifd` with the parameter `multifd-compression` instead",
    },
  },
  {
    name: "events",
    since: "2.4",
    side: "each",
    mustMatch: false,
    effect: "QEMU emits each change of the migration's status; the agents act on that",
  },
  {
    name: "postcopy-ram",
    since: "2.6",
    side: "both",
    mustMatch: true,
    effect: "the guest may run on the target before all of its memory is there",
  },
  {
    name: "x-colo",
    since: "2.8",
    unstable: true,
    side: "both",
    mustMatch: true,
    effect: "the guest runs on both hosts in lockstep",
    refusal: {
      why: "it keeps a second copy of the guest running and does not migrate it",
      cure: removeFromPolicy("x-colo"),
    },
  },
  {
    name: "release-ram",
    since: "2.9",
    side: "source",
    mustMatch: false,
    effect: "the source frees pages it has sent in postcopy, so a broken postcopy cannot recover",
  },
  {
    name: "block",
    since: "2.10",
    removed: "9.1",
    deprecated: "8.2",
    side: "both",
    mustMatch: true,
    effect: "disks are sent in the migration stream",
    refusal: {
      why: "it is deprecated since QEMU 8.2 and was removed in 9.1",
      cure: "Put the disks on storage that both hosts share",
    },
  },
  {
    name: "return-path",
    since: "2.10",
    side: "source",
    mustMatch: false,
    effect: "the source reports `completed` only after the target has loaded the guest",
  },
  {
    name: "pause-before-switchover",
    since: "2.11",
    side: "source",
    mustMatch: false,
    effect: "the stopped guest waits in `pre-switchover` until the source's agent continues",
  },
  {
    name: "multifd",
    since: "4.0",
    side: "both",
    mustMatch: true,
    effect: "memory is sent over several connections at once",
  },
  {
    name: "dirty-bitmaps",
    since: "2.12",
    side: "both",
    mustMatch: false,
    effect: "dirty bitmaps of disks are sent too",
  },
  {
    name: "postcopy-blocktime",
    since: "3.0",
    side: "target",
    mustMatch: false,
    effect: "the target measures how long vCPUs waited for pages in postcopy",
  },
  {
    name: "late-block-activate",
    since: "3.0",
    side: "target",
    mustMatch: false,
    effect: "the target opens its disks when the guest starts; from QEMU 10.0 it always does",
  },
  {
    name: "x-ignore-shared",
    since: "4.0",
    unstable: true,
    side: "both",
    mustMatch: true,
    effect: "memory in shared files is not sent",
    refusal: {
      why: "it does not send shared memory, which would be empty on another host",
      cure: removeFromPolicy("x-ignore-shared"),
    },
  },
  {
    name: "validate-uuid",
    since: "4.2",
    side: "source",
    mustMatch: false,
    effect: "the target compares the guest's UUID with its own",
  },
  {
    name: "background-snapshot",
    since: "6.0",
    side: "source",
    mustMatch: false,
    effect: "the stream is a snapshot of the guest when the migration began",
    refusal: {
      why: "it saves a running guest to a file and does not migrate it",
      cure: removeFromPolicy("background-snapshot"),
    },
  },
  {
    name: "zero-copy-send",
    since: "7.1",
    side: "source",
    mustMatch: false,
    effect: "the kernel sends guest pages without copying them",
  },
  {
    name: "postcopy-preempt",
    since: "7.1",
    side: "both",
    mustMatch: true,
    effect: "pages that the guest waits for in postcopy have a connection of their own",
  },
  {
    name: "switchover-ack",
    since: "8.1",
    side: "both",
    mustMatch: true,
    effect: "the guest is not stopped before the target has acknowledged that it is ready",
  },
  {
    name: "dirty-limit",
    since: "8.1",
    side: "source",
    mustMatch: false,
    effect: "vCPUs that dirty memory too fast are slowed down, each by itself",
  },
  {
    name: "mapped-ram",
    since: "9.0",
    side: "both",
    mustMatch: true,
    effect: "each page has a fixed place in a file",
    refusal: {
      why: "it only works with a file, not with a connection to another host",
      cure: removeFromPolicy("mapped-ram"),
    },
  },
];

const byName = new Map(capabilities.map((capability) => [capability.name, capability]));

export function findCapability(name: string): Capability | undefined {
  return byName.get(name);
}
