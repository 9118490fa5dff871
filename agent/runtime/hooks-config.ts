import { z } from "zod";

const Command = z
  .tuple([z.string().startsWith("/", "expected an absolute path")], z.string())
  .describe("executable and arguments; no shell is involved");

function hook(limits: { defaultMs: number; maxMs: number }) {
  return z.strictObject({
    command: Command,
    /** From its start; then SIGTERM, and SIGKILL 500 ms later. */
    timeoutMs: z.int().min(100).max(limits.maxMs).default(limits.defaultMs),
    /** Anything but exit status 0 in time is a failure. */
    onFailure: z.enum(["abort", "continue"]).default("abort"),
  });
}

/** After the fact there is nothing to abort. */
function afterwards() {
  const { onFailure: _, ...rest } = hook({ defaultMs: 10_000, maxMs: 300_000 }).shape;
  return z.strictObject({ ...rest, onFailure: z.literal("continue").default("continue") });
}

/** Executables of this host that the agent runs at the moments of a migration. */
export const HooksConfig = z.strictObject({
  /** On the target before QEMU is started and listens, on the source before the migration starts. */
  prepare: hook({ defaultMs: 10_000, maxMs: 30_000 }).optional(),
  /** On the source, the guest stopped, before the rest is sent: its time is part of the downtime. */
  preSwitchover: hook({ defaultMs: 2_000, maxMs: 30_000 }).optional(),
  /** On the target, the guest runs. */
  resumed: afterwards().optional(),
  /** On an end whose part is over without success. */
  failed: afterwards().optional(),
});
export type HooksConfig = z.infer<typeof HooksConfig>;
export type HookName = keyof HooksConfig;
export type Hook = NonNullable<HooksConfig["prepare"]>;
