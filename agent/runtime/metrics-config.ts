import * as z from "zod";

/** Where the agent writes its metrics for node_exporter. */
export const MetricsConfig = z.strictObject({
  /** A file in the folder that node_exporter's textfile collector reads; it takes `*.prom` only. */
  textFile: z.string().regex(/^\/.*[^/]\.prom$/, "expected an absolute path that ends in .prom"),
  /** How often it is written, ms. */
  intervalMs: z.int().min(1_000).max(600_000).default(15_000),
  /** Who may read it, as chmod takes it: node_exporter runs as a user of its own. */
  mode: z
    .string()
    .regex(/^0?[46][0-6]{2}$/, "expected a file mode such as 0644, which its owner may read")
    .default("0644")
    .transform((text) => Number.parseInt(text, 8)),
});
export type MetricsConfig = z.infer<typeof MetricsConfig>;
