import type { HostSnapshot } from "../../rig/host-crash.ts";
import type { Bed } from "./bed.ts";
import type { Link } from "./plan.ts";
import type { TcpRelay } from "./tcp-relay.ts";

/** What a fault needs to know of the run that it strikes. */
export type Site = {
  bed: Bed;
  source: string;
  target: string;
  relay(link: Link): TcpRelay | undefined;
  /** The ports that the target's QEMU and agent listen on, once they do. */
  ports: Readonly<Partial<Record<Link, number>>>;
  /** What the hosts had on their disks before the migration. */
  before: Readonly<Record<string, HostSnapshot>>;
  /** The ARN of the migration's execution. */
  executionArn(): Promise<string>;
  /** Resolves when the migration has ended. */
  ended: Promise<void>;
  /** Requests a cancel without waiting for the answer. */
  cancel(): void;
  log(text: string): void;
};
