import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { dirname, resolve } from "node:path";
import * as z from "zod";
import { ResourceName } from "../../core/host-resources.ts";
import { HostId } from "../../core/id.ts";
import { PROGRESS_INTERVAL_MS } from "../../core/migration/progress-interval.ts";
import { AllowConfig } from "./allow-config.ts";
import { cgroupLimits } from "./cgroup-limits.ts";
import { HooksConfig } from "./hooks-config.ts";
import { HostValue } from "./host-values.ts";
import { MetricsConfig } from "./metrics-config.ts";

/** UNIX socket paths hold 107 bytes on Linux; the rest is `/<vm, 63>/qmp.sock`. */
const RUN_DIR_BYTES_MAX = 107 - 74;

function memoryOfThisHost(): number {
  return Math.min(totalmem(), ...cgroupLimits().map(({ limitBytes }) => limitBytes));
}

/**
 * The agent's configuration file (JSON). Relative paths are relative to the file. AWS settings
 * (region, credentials, AWS_ENDPOINT_URL_SQS) come from the AWS SDK's own environment.
 */
export const AgentConfig = z.strictObject({
  host: HostId,
  /** Base URL of the control plane, e.g. `https://api.example.org`. */
  apiUrl: z.url({ protocol: /^https?$/ }),
  /**
   * Certificates (PEM) of the authorities that the control plane's certificate is checked against, in
   * place of the system's.
   */
  caFile: z.string().optional(),
  /**
   * Sign requests to the control plane with this host's AWS credentials, as API Gateway's IAM
   * authorizer asks. The local control plane needs no signatures.
   */
  signRequests: z.boolean().default(false),
  /**
   * File with a join token (mode 600), by which this host gets its key. It is used once; the file may
   * be removed afterwards. The key itself is kept in `stateDir`.
   */
  joinTokenFile: z.string().optional(),
  /** Sockets, logs and state of running guests; short, since socket paths are limited. */
  runDir: z
    .string()
    .regex(
      /^[^\s,]+$/,
      "expected a path without white space and commas, which separate QEMU's options",
    )
    .refine(
      (path) => Buffer.byteLength(path) <= RUN_DIR_BYTES_MAX,
      `expected at most ${RUN_DIR_BYTES_MAX} bytes, since UNIX socket paths are limited`,
    ),
  /** Journals and caches. They must survive a reboot, or the host forgets its commands. */
  stateDir: z.string(),
  /** QEMU binary that new guests are started with. */
  qemu: z.string().default("qemu-system-x86_64"),
  /** Start no guest where QEMU's seccomp sandbox cannot be used. Default: start it, and log that. */
  requireSandbox: z.boolean().default(false),
  /** systemd starts each guest as a unit in this slice. Default: guests are the agent's children. */
  guestSlice: z
    .string()
    .regex(/^[A-Za-z0-9:_.-]{1,200}\.slice$/, "expected the name of a slice of systemd")
    .optional(),
  /** Memory for guests, bytes. Default: all that the machine and the agent's control group have. */
  memoryBytes: z.int().positive().default(memoryOfThisHost),
  /** Address for migration streams and handover links. */
  migrationAddress: z
    .union([z.ipv4(), z.ipv6()], "expected an IPv4 or IPv6 address")
    .refine(
      (address) => address !== "0.0.0.0" && address !== "::",
      "expected one address that the other hosts can connect to",
    )
    .default("127.0.0.1"),
  /**
   * TCP ports that this host listens on as a target, two for each migration: the stream's and the
   * handover link's. Both 0: any free port. The default is libvirt's (its qemu.conf,
   * migration_port_min and _max).
   */
  migrationPorts: z
    .strictObject({ min: z.int().min(0).max(65_535), max: z.int().min(0).max(65_535) })
    .refine(
      ({ min, max }) => (min > 0 && max > min) || (min === 0 && max === 0),
      "expected `max` to be greater than `min` and `min` at least 1, or both 0",
    )
    .default({ min: 49_152, max: 49_215 }),
  /**
   * This host's values of resources that guests' definitions name, e.g.
   * `{"gpu0": {"type": "mdev", "uuid": "…"}}` or `{"lan": {"type": "tap", "bridge": "br0"}}`;
   * docs/reference/definition.md. Text is taken as it is.
   */
  resources: z.record(ResourceName, HostValue).default({}),
  /** What definitions may name on this host; docs/reference/definition.md. */
  allow: AllowConfig.prefault({}),
  /**
   * Certificates for streams with policy.tls `x509`: a folder with ca-cert.pem, server-cert.pem and
   * server-key.pem (this host as target), client-cert.pem and client-key.pem (as source).
   */
  tls: z.strictObject({ dir: z.string().startsWith("/") }).optional(),
  /** A file of this host's metrics. Default: none. */
  metrics: MetricsConfig.optional(),
  /** Executables that run at fixed points of a migration; docs/hooks.md. */
  hooks: HooksConfig.prefault({}),
  /** Speed of the migration network, B/s. Default: that of the address's interface. */
  linkBytesPerSecond: z.int().min(1_000).optional(),
  /** How often the cloud hears this host, ms. It is shown as silent after four times as long. */
  heartbeatIntervalMs: z.int().min(1_000).max(600_000).default(30_000),
  /** Shortest interval of a migration's progress events, ms; they are also its heartbeat. */
  progressIntervalMs: z.int().min(100).max(30_000).default(PROGRESS_INTERVAL_MS),
});
export type AgentConfig = z.infer<typeof AgentConfig>;

/**
 * @throws Error naming the file, the field, what was expected and what was found
 */
export function readConfig(path: string): AgentConfig {
  const folder = dirname(resolve(path));
  let input: unknown;
  try {
    input = JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw new Error(`Failed to read the configuration ${path}`, { cause });
  }
  if (typeof input === "object" && input !== null) {
    for (const field of ["caFile", "joinTokenFile", "runDir", "stateDir"])
      absolute(input, field, folder);
  }
  const parsed = AgentConfig.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map((issue) => describe(issue, input));
  throw new Error(`Failed to read the configuration ${path}: ${problems.join("; ")}`);
}

function describe({ path, message }: z.core.$ZodIssue, input: unknown): string {
  const [field] = path;
  if (field === undefined) return message;
  const value: unknown = Reflect.get(Object(input), field);
  return `${String(field)}: ${message}, got ${JSON.stringify(value) ?? "nothing"}`;
}

function absolute(input: object, field: string, folder: string): void {
  const value: unknown = Reflect.get(input, field);
  if (typeof value === "string") Reflect.set(input, field, resolve(folder, value));
}
