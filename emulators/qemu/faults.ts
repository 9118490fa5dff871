import type { MigrationStatus } from "./catalog/statuses.ts";

/**
 * Something that goes wrong. `at` is a migration status of this process (either side's); without
 * it the fault strikes as soon as it is known. `afterMs` (default 0) counts from there.
 */
export type Fault = {
  readonly at?: MigrationStatus;
  readonly afterMs?: number;
} & (
  | { readonly kind: "exit"; readonly code?: number }
  /** The whole process stands still, as after SIGSTOP; without `forMs` for ever. */
  | { readonly kind: "freeze"; readonly forMs?: number }
  /** QMP does not answer, not even out of band; without `forMs` for ever. */
  | { readonly kind: "qmp-stall"; readonly forMs?: number }
  /** The migration connections break. */
  | { readonly kind: "cut" }
  /** Nothing goes through the migration connections any more, in either direction. */
  | { readonly kind: "stall"; readonly forMs?: number }
  /** The target's last message on the return path is lost, and then the connection. */
  | { readonly kind: "drop-shut" }
  /** Loading a device's final state fails on the target. */
  | { readonly kind: "fail-load"; readonly device?: string }
  /** The source cannot get its disk's lock back when it resumes. */
  | { readonly kind: "disk-lock" }
);

/** The fault of this kind that lasts, if there is one: these change what happens later. */
export function findFault<Kind extends Fault["kind"]>(
  faults: readonly Fault[],
  kind: Kind,
): Extract<Fault, { kind: Kind }> | undefined {
  return faults.find((fault): fault is Extract<Fault, { kind: Kind }> => fault.kind === kind);
}
