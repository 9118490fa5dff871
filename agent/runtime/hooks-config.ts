import * as z from "zod";

const Command = z
  .tuple([z.string().startsWith("/", "expected an absolute path")], z.string())
  .describe("executable and arguments; no shell is involved");

function hook(limits: { defaultMs: number; maxMs: number }) {
  return z.strictObject({
    command: Command,
    /** From the start of the hook until SIGTERM; SIGKILL follows 500 ms later. */
    timeoutMs: z.int().min(100).max(limits.maxMs).default(limits.defaultMs),
    /** For a failure: no exit status 0 in time. */
    onFailure: z.enum(["abort", "continue"]).default("abort"),
  });
}

/** A hook that runs when the outcome is fixed: its failure cannot abort the migration. */
function notification() {
  const { onFailure: _, ...rest } = hook({ defaultMs: 10_000, maxMs: 300_000 }).shape;
  return z.strictObject({ ...rest, onFailure: z.literal("continue").default("continue") });
}

/** Executables of this host that the agent runs at fixed points of a migration. */
export const HooksConfig = z.strictObject({
  /** On the target before QEMU is started and listens, on the source before the migration starts. */
  prepare: hook({ defaultMs: 10_000, maxMs: 30_000 }).optional(),
  /** On the source, after the guest has stopped: the hook's time is part of the downtime. */
  preSwitchover: hook({ defaultMs: 2_000, maxMs: 30_000 }).optional(),
  /** On the target, when the guest runs. */
  resumed: notification().optional(),
  /** On a side whose part has ended without success. */
  failed: notification().optional(),
});
export type HooksConfig = z.infer<typeof HooksConfig>;
export type HookName = keyof HooksConfig;
export type Hook = NonNullable<HooksConfig["prepare"]>;
