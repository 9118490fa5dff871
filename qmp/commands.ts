import * as z from "zod";
import * as device from "./device.ts";
import * as machine from "./machine.ts";
import { QmpVersion } from "./message.ts";
import * as migration from "./migration.ts";

/**
 * Commands a migration coordinator needs: argument types and the schema of the answer. Answers are
 * read loosely (qmp-spec, "Compatibility Considerations"): members beyond the schema pass, and so do unknown values of QEMU's enumerations.
 * `query-qmp-schema` reports which commands and arguments a QEMU has.
 */
export const commands = {
  // Session
  qmp_capabilities: takes<{ readonly enable?: readonly "oob"[] }>().returns(nothing()),
  "query-version": takes<None>().returns(QmpVersion),
  "query-commands": takes<None>().returns(z.array(z.looseObject({ name: z.string() }))),
  /** 240 kB and more; entries by `meta-type`. */
  "query-qmp-schema": takes<None>().returns(
    z.array(z.looseObject({ name: z.string(), "meta-type": z.string() })),
  ),
  quit: takes<None>().returns(nothing()),

  // Run state
  "query-status": takes<None>().returns(machine.StatusInfo),
  cont: takes<None>().returns(nothing()),
  stop: takes<None>().returns(nothing()),
  system_powerdown: takes<None>().returns(nothing()),
  system_reset: takes<None>().returns(nothing()),
  /** Wakes a guest that sleeps (S3). */
  system_wakeup: takes<None>().returns(nothing()),

  // Migration
  "query-migrate": takes<None>().returns(migration.MigrationInfo),
  "query-migrate-capabilities": takes<None>().returns(z.array(migration.MigrationCapability)),
  /** All or nothing; on the target strictly before `migrate-incoming`. */
  "migrate-set-capabilities": takes<{
    readonly capabilities: readonly { readonly capability: string; readonly state: boolean }[];
  }>().returns(nothing()),
  "query-migrate-parameters": takes<None>().returns(migration.MigrationParameters),
  "migrate-set-parameters": takes<migration.MigrationParametersUpdate>().returns(nothing()),
  /** Answers at once, also when the connection will fail: then the status becomes `failed`. */
  migrate: takes<migration.MigrationEndpoint & { readonly resume?: boolean }>().returns(nothing()),
  /** `exit-on-error`: 9.1+, default true. */
  "migrate-incoming": takes<
    migration.MigrationEndpoint & { readonly "exit-on-error"?: boolean }
  >().returns(nothing()),
  /** Never in postcopy: 7.2 accepts it there and destroys the VM. */
  migrate_cancel: takes<None>().returns(nothing()),
  "migrate-continue": takes<{ readonly state: "pre-switchover" }>().returns(nothing()),
  "migrate-start-postcopy": takes<None>().returns(nothing()),
  "migrate-pause": takes<None>().returns(nothing()),
  "migrate-recover": takes<{ readonly uri: string }>().returns(nothing()),
  /** Milliseconds but for `rounds`. */
  "announce-self": takes<{
    readonly initial: number;
    readonly max: number;
    readonly rounds: number;
    readonly step: number;
    readonly interfaces?: readonly string[];
    readonly id?: string;
  }>().returns(nothing()),
  "query-yank": takes<None>().returns(z.array(device.YankInstance)),
  yank: takes<{ readonly instances: readonly device.YankInstance[] }>().returns(nothing()),

  // Dirty rate; `calc-time` in seconds
  "calc-dirty-rate": takes<{
    readonly "calc-time": number;
    readonly mode?: "page-sampling" | "dirty-bitmap" | "dirty-ring";
    readonly "sample-pages"?: number;
  }>().returns(nothing()),
  "query-dirty-rate": takes<None>().returns(machine.DirtyRate),
  "set-vcpu-dirty-limit": takes<{
    readonly "dirty-rate": number;
    readonly "cpu-index"?: number;
  }>().returns(nothing()),
  "cancel-vcpu-dirty-limit": takes<{ readonly "cpu-index"?: number }>().returns(nothing()),
  "query-vcpu-dirty-limit": takes<None>().returns(z.array(machine.VcpuDirtyLimit)),

  // Machine
  /** `compat-props`: 9.1+, unstable. */
  "query-machines": takes<{ readonly "compat-props"?: boolean }>().returns(
    z.array(machine.MachineInfo),
  ),
  "query-memory-size-summary": takes<None>().returns(machine.MemorySizeSummary),
  "query-memory-devices": takes<None>().returns(z.array(machine.MemoryDevice)),
  "query-cpus-fast": takes<None>().returns(z.array(machine.CpuFast)),
  /** Not every machine has it. */
  "query-hotpluggable-cpus": takes<None>().returns(z.array(machine.HotpluggableCpu)),
  "query-memdev": takes<None>().returns(z.array(machine.Memdev)),
  "query-cpu-definitions": takes<None>().returns(z.array(machine.CpuDefinition)),
  "query-cpu-model-expansion": takes<{
    readonly type: "static" | "full";
    readonly model: { readonly name: string; readonly props?: Readonly<Record<string, unknown>> };
  }>().returns(z.looseObject({ model: machine.CpuModel })),
  "query-target": takes<None>().returns(z.looseObject({ arch: z.string() })),
  "query-uuid": takes<None>().returns(z.looseObject({ UUID: z.string() })),
  "query-name": takes<None>().returns(z.looseObject({ name: z.string().optional() })),
  "query-kvm": takes<None>().returns(z.looseObject({ enabled: z.boolean(), present: z.boolean() })),

  // Objects, devices
  "qom-list": takes<{ readonly path: string }>().returns(z.array(device.ObjectProperty)),
  "qom-get": takes<{ readonly path: string; readonly property: string }>().returns(z.unknown()),
  "qom-set": takes<{
    readonly path: string;
    readonly property: string;
    readonly value: unknown;
  }>().returns(nothing()),
  "qom-list-types": takes<{
    readonly implements?: string;
    readonly abstract?: boolean;
  }>().returns(z.array(device.ObjectType)),
  "device-list-properties": takes<{ readonly typename: string }>().returns(
    z.array(device.ObjectProperty),
  ),
  "object-add": takes<device.ObjectOptions>().returns(nothing()),
  "object-del": takes<{ readonly id: string }>().returns(nothing()),
  device_add: takes<device.DeviceOptions>().returns(nothing()),
  /** Answers before the device is removed: wait for DEVICE_DELETED. */
  device_del: takes<{ readonly id: string }>().returns(nothing()),
  "query-chardev": takes<None>().returns(z.array(device.Chardev)),

  // Block
  "query-block": takes<None>().returns(z.array(device.BlockDevice)),
  "query-named-block-nodes": takes<{ readonly flat?: boolean }>().returns(
    z.array(device.BlockNode),
  ),
  /** Unstable; the only way up to 10.0 to see how nodes hang together. */
  "x-debug-query-block-graph": takes<None>().returns(device.BlockGraph),
  /** Offers nodes to NBD clients at this address; the port of a range is the first free one. */
  "nbd-server-start": takes<{
    readonly addr: {
      readonly type: "inet";
      readonly data: { readonly host: string; readonly port: string; readonly to?: number };
    };
    readonly "tls-creds"?: string;
  }>().returns(nothing()),
  /** Removes all exports, too. */
  "nbd-server-stop": takes<None>().returns(nothing()),
  "block-export-add": takes<{
    readonly type: "nbd";
    readonly id: string;
    readonly "node-name": string;
    readonly name: string;
    readonly writable: boolean;
  }>().returns(nothing()),
  "blockdev-mirror": takes<{
    readonly "job-id": string;
    readonly device: string;
    readonly target: string;
    readonly sync: "full";
    readonly "copy-mode": "background";
    readonly "on-target-error": "stop";
    readonly "on-source-error": "stop";
    /** B/s; 0: unlimited. */
    readonly speed: number;
  }>().returns(nothing()),
  "query-block-jobs": takes<None>().returns(z.array(device.BlockJob)),
  "block-job-set-speed": takes<{ readonly device: string; readonly speed: number }>().returns(
    nothing(),
  ),
  /** Ends a mirror that is ready as a whole copy: BLOCK_JOB_COMPLETED. `force`: at once, as it is. */
  "block-job-cancel": takes<{ readonly device: string; readonly force?: boolean }>().returns(
    nothing(),
  ),
  "query-jobs": takes<None>().returns(z.array(device.Job)),
  "blockdev-add": takes<device.BlockdevOptions>().returns(nothing()),
  "blockdev-del": takes<{ readonly "node-name": string }>().returns(nothing()),
  "block-dirty-bitmap-add": takes<{
    readonly node: string;
    readonly name: string;
    readonly granularity?: number;
    readonly persistent?: boolean;
    readonly disabled?: boolean;
  }>().returns(nothing()),
  "block-dirty-bitmap-remove": takes<{ readonly node: string; readonly name: string }>().returns(
    nothing(),
  ),

  // Trace
  /** `name` may hold wildcards; an exact name this QEMU does not know is an error. */
  "trace-event-get-state": takes<{ readonly name: string }>().returns(z.array(device.TraceEvent)),
  "trace-event-set-state": takes<{
    readonly name: string;
    readonly enable: boolean;
    readonly "ignore-unavailable"?: boolean;
  }>().returns(nothing()),
  /**
   * HMP is no interface for programs. Only `logfile`, to send a running QEMU's trace to a file, and
   * what QMP cannot tell, or only in a thousand calls (docs/adr/0013-the-twin-check.md).
   */
  "human-monitor-command": takes<{
    readonly "command-line": `logfile ${string}` | "info qtree" | "info ramblock" | "info network";
  }>().returns(z.string()),
} as const;

export type QmpCommandName = keyof typeof commands;
export type ArgumentsOf<Name extends QmpCommandName> =
  (typeof commands)[Name] extends CommandDefinition<infer Arguments, z.ZodType> ? Arguments : never;
export type ReturnOf<Name extends QmpCommandName> = z.output<(typeof commands)[Name]["returns"]>;

/** The typed map by name, for code that is generic over commands. */
export type QmpCommandMap = {
  readonly [Name in QmpCommandName]: {
    readonly arguments: ArgumentsOf<Name>;
    readonly returns: ReturnOf<Name>;
  };
};

/** Arguments may be left out where all of them are optional. */
export type ExecuteArguments<Arguments extends object, Options> = None extends Arguments
  ? [args?: Arguments | undefined, options?: Options | undefined]
  : [args: Arguments, options?: Options | undefined];

/** Has `allow-oob` in QEMU's schema, 7.2 to 11.1 (qmp-spec, "Out-of-band execution"). */
export function isOobCommand(command: string): boolean {
  return OOB_COMMANDS.has(command);
}
const OOB_COMMANDS = new Set(["yank", "query-yank", "migrate-pause", "migrate-recover"]);

type None = Readonly<Record<string, never>>;

type CommandDefinition<Arguments extends object, Returns extends z.ZodType> = {
  readonly returns: Returns;
  /** Only a type; never set. */
  readonly arguments?: Arguments;
};

function takes<Arguments extends object>() {
  return {
    returns: <Returns extends z.ZodType>(
      returns: Returns,
    ): CommandDefinition<Arguments, Returns> => ({ returns }),
  };
}

function nothing() {
  return z.looseObject({});
}
