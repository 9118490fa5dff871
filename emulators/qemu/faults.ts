import type { GuestAction } from "./catalog/guest-actions.ts";
import type { MigrationStatus } from "./catalog/statuses.ts";

/**
 * A fault to inject. `at` is a migration status of this process (of either side); without it the
 * fault strikes at once. `afterMs` (default 0) counts from there.
 */
export type Fault = {
  readonly at?: MigrationStatus;
  readonly afterMs?: number;
} & (
  | { readonly kind: "exit"; readonly code?: number }
  /** The whole process stops, as after SIGSTOP; without `forMs` forever. */
  | { readonly kind: "freeze"; readonly forMs?: number }
  /** QMP does not answer, not even out of band; without `forMs` forever. */
  | { readonly kind: "qmp-stall"; readonly forMs?: number }
  /** The migration connections break. */
  | { readonly kind: "cut" }
  /** The migration connections pass nothing any more, in either direction. */
  | { readonly kind: "stall"; readonly forMs?: number }
  /** The target's last message on the return path is lost, then the connection. */
  | { readonly kind: "drop-shut" }
  /** Loading a device's final state fails on the target. */
  | { readonly kind: "fail-load"; readonly device?: string }
  /** Another process holds the lock of the disk's image: `cont` and a resuming source do not get it. */
  | { readonly kind: "disk-lock"; readonly forMs?: number }
  | { readonly kind: "disk-unlock" }
  /** The guest acts by itself; `times` is the number of disk accesses that fail (default 1). */
  | { readonly kind: "act"; readonly action: GuestAction; readonly times?: number }
  /** The disk works again. */
  | { readonly kind: "disk-mend" }
);

/** The pending fault of this kind, if there is one: it changes later behaviour. */
export function findFault<Kind extends Fault["kind"]>(
  faults: readonly Fault[],
  kind: Kind,
): Extract<Fault, { kind: Kind }> | undefined {
  return faults.find((fault): fault is Extract<Fault, { kind: Kind }> => fault.kind === kind);
}
