import * as z from "zod";

const Name = z.string().max(64);

/**
 * What a guest's CPU can be on a host, with one accelerator, as the host's QEMU says. Features have
 * QEMU's names, with `-` between words (`sse4-1`).
 */
export const CpuModels = z.strictObject({
  /** Features that a guest can have. */
  features: z.array(Name).max(1_000),
  /** Features of models that a guest cannot have. */
  lacking: z.array(Name).max(1_000),
  /** Model → which of `lacking` it has; none: the host has all of its features. */
  models: z.record(Name, z.array(z.int().nonnegative()).max(1_000)),
});
export type CpuModels = z.infer<typeof CpuModels>;

/** What a guest's CPU depends on beside QEMU. Each is absent where the host does not say it. */
export const HostCpu = z.strictObject({
  /** Release of the running kernel (uname -r). */
  kernel: z.string().max(128).optional(),
  cpu: z
    .strictObject({ model: z.string().max(128), microcode: z.string().max(32).optional() })
    .optional(),
  /** What the kernel reads the time from, e.g. `tsc`. */
  clocksource: z.string().max(32).optional(),
  /** A guest's TSC may have another frequency than the host's. */
  scalesTsc: z.boolean().optional(),
});
export type HostCpu = z.infer<typeof HostCpu>;
