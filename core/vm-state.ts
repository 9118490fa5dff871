import * as z from "zod";

/**
 * What the record says of a VM. `running` is only said of a guest that was seen running. `starting`:
 * no answer of its host yet; `migrating`: a migration holds the VM; `failed`: its QEMU has ended
 * without having been asked to; `unknown`: nobody can say without a person where it runs.
 */
export const VmState = z.enum([
  "starting",
  "running",
  "paused",
  "suspended",
  "io-error",
  "panicked",
  "migrating",
  "stopped",
  "failed",
  "unknown",
]);
export type VmState = z.infer<typeof VmState>;

/** States of a guest that has a QEMU process, which no migration holds. */
export type SettledState = Extract<
  VmState,
  "running" | "paused" | "suspended" | "io-error" | "panicked" | "stopped"
>;

/** States of a VM that a migration may be requested for; negotiation looks at the run state. */
export const movableStates: readonly VmState[] = [
  "running",
  "paused",
  "suspended",
  "io-error",
  "panicked",
];

/** States of a guest with a process that no migration holds: its run state decides between them. */
export const settledStates: readonly SettledState[] = [
  "running",
  "paused",
  "suspended",
  "io-error",
  "panicked",
  "stopped",
];
