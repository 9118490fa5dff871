import { createBlockLayer, createBlockNode } from "./block.ts";
import { listCapabilities } from "./catalog/capabilities.ts";
import { findMachineType, listCompatProperties } from "./catalog/machine-types.ts";
import { defaultParameters } from "./catalog/parameters.ts";
import type { RunState } from "./catalog/run-states.ts";
import { atLeast, parseVersion, type Version } from "./catalog/version.ts";
import type { Clock } from "./clock.ts";
import { listCommands } from "./commands/all.ts";
import { applyCommandLine } from "./commands/objects.ts";
import { shutDown } from "./commands/run-state.ts";
import type { Fault } from "./faults.ts";
import { createGuest, TICKS_PER_SECOND } from "./guest.ts";
import { actAsGuest } from "./guest-actions.ts";
import { createJob } from "./job.ts";
import { completeKnobs, type Knobs } from "./knobs.ts";
import { awaitSource, listenForMigration } from "./migration/accepting.ts";
import { listBlockers } from "./migration/blockers.ts";
import { createIncoming } from "./migration/incoming-state.ts";
import { createOutgoing } from "./migration/outgoing-state.ts";
import { createOptions, OptionError, type Options, parseOptions } from "./options.ts";
import { exitProcess, type Host, type Qemu, reportError } from "./qemu.ts";
import { QmpError } from "./qmp/command.ts";
import { type MonitorConnection, openMonitor } from "./qmp/monitor.ts";
import { createRam } from "./ram.ts";
import { createRandom } from "./random.ts";
import { startGuest } from "./run-state.ts";
import { type Network, parseUri } from "./stream/network.ts";
import { addFault, strikeFaults } from "./strike.ts";
import { createTaskRunner } from "./task.ts";
import { createTrace } from "./trace.ts";

/** Options of a model. */
export type ModelOptions = {
  /** QEMU's command line, without the program's name. Default: none. */
  readonly arguments?: readonly string[];
  readonly knobs?: Partial<Knobs>;
  readonly clock: Clock;
  readonly network: Network;
  /** Callbacks that are left out do nothing. */
  readonly host?: Partial<Host>;
};

/** A model QEMU in this process. */
export type ModelQemu = {
  readonly runState: RunState;
  /** The last number that the guest printed. */
  readonly counter: number;
  readonly isGuestRunning: boolean;
  /** Exit code of the process; undefined while it runs. */
  readonly exitCode: number | undefined;
  readonly options: Options;
  /** Opens a QMP connection; the greeting is sent at once. */
  connect(client: { send(text: string): void; close(): void }): MonitorConnection;
  /** Injects a fault, now or at its moment. */
  fault(fault: Fault): void;
  /** SIGTERM. */
  terminate(): void;
  /** SIGKILL. */
  kill(): void;
};

/**
 * Creates a model of one `qemu-system-x86_64` process. It is a state machine over `clock` and
 * `network`: on a virtual clock the same knobs give the same run, in no real time.
 *
 * @throws OptionError for a command line that QEMU refuses; the message is what QEMU prints
 */
export function createModelQemu(given: ModelOptions): ModelQemu {
  const { clock } = given;
  const options = given.arguments
    ? parseOptions(createOptions().program, given.arguments)
    : createOptions();
  const knobs = completeKnobs({ ...given.knobs });
  const version: Version = { ...parseVersion(knobs.version), package: knobs.package };
  let exitCode: number | undefined;
  const host: Host = {
    pid: given.host?.pid ?? 1,
    onSerial: given.host?.onSerial,
    onStderr: (line) => given.host?.onStderr?.(line),
    onLog: (line, path) => given.host?.onLog?.(line, path),
    onExit(code) {
      exitCode = code;
      given.host?.onExit?.(code);
    },
    readFile: (path) => given.host?.readFile?.(path),
    holdFile: (path) => given.host?.holdFile?.(path),
  };
  const qemu = assemble({ version, knobs, options, clock, network: given.network, host });
  const commands = listCommands(version);
  boot(qemu);
  return {
    options,
    get runState() {
      return qemu.runState;
    },
    get counter() {
      return qemu.guest.counter;
    },
    get isGuestRunning() {
      return qemu.guest.isRunning;
    },
    get exitCode() {
      return exitCode;
    },
    connect: (client) => openMonitor(qemu, commands, client),
    fault: (fault) => addFault(qemu, fault),
    terminate: () => shutDown(qemu, "host-signal"),
    kill: () => exitProcess(qemu, 137),
  };
}

type Parts = Pick<Qemu, "version" | "knobs" | "options" | "clock" | "network" | "host">;

function assemble(parts: Parts): Qemu {
  const { version, knobs, options, clock, host } = parts;
  const machineType = findMachineType(version, options.machine);
  if (!machineType) {
    throw new OptionError(
      `${options.program}: unsupported machine type: "${options.machine}"\n` +
        "Use -machine help to list supported machines",
    );
  }
  const compat = listCompatProperties(version, machineType);
  const { act } = knobs;
  const guest = createGuest({
    clock,
    counterPerSecond: knobs.counterPerSecond,
    onSerial: host.onSerial,
    alarm: act && {
      atMs: (act.afterTicks * 1000) / TICKS_PER_SECOND,
      ring: () => actAsGuest(qemu, act.action, act.times),
    },
  });
  const legacy = options.globals["migration.switchover-ack-legacy"];
  const qemu: Qemu = {
    ...parts,
    machineType,
    compat,
    random: createRandom(knobs.seed),
    tasks: createTaskRunner(clock),
    trace: createTrace({
      version,
      clock,
      pid: host.pid,
      isStamped: options.isStamped,
      onLine: host.onLog,
    }),
    guest,
    ram: createRam(guest, { ...knobs, memoryBytes: options.memoryBytes }),
    block: createBlockLayer(),
    disk: {
      failures: 0,
      reportedMs: Number.NEGATIVE_INFINITY,
      isReportPending: false,
      isLocked: false,
    },
    jobs: new Map(knobs.jobs.map((job) => [job.id, createJob(job)])),
    devices: [],
    vfio: [],
    objects: new Map(),
    monitors: new Set(),
    outgoing: createOutgoing(),
    incoming: createIncoming(options.incoming),
    faults: [...knobs.faults],
    mainLoopHolders: new Set(),
    mainLoopJobs: [],
    wasAsleep: false,
    isAckLegacy:
      legacy === undefined
        ? !atLeast(version, "11.1") ||
          compat.some(({ property }) => property === "switchover-ack-legacy")
        : legacy === "on" || legacy === "true",
    runState: options.incoming === undefined ? "prelaunch" : "inmigrate",
    capabilities: Object.fromEntries(listCapabilities(version).map((name) => [name, false])),
    parameters: defaultParameters(version),
    isAutostart: !options.isStopped,
    isExited: false,
    isFrozen: false,
    thawRunning: false,
    stalls: 0,
  };
  return qemu;
}

function boot(qemu: Qemu): void {
  const { options } = qemu;
  try {
    applyCommandLine(qemu);
  } catch (error) {
    if (!(error instanceof QmpError)) throw error;
    throw new OptionError(`${options.program}: ${error.message}`);
  }
  addDrives(qemu);
  for (const pattern of options.traces) {
    if (!pattern.includes("*") && qemu.trace.match(pattern).length === 0) {
      qemu.host.onStderr(
        `${options.program}: -trace ${pattern}: warning: trace event '${pattern}' does not exist`,
      );
    }
    qemu.trace.enable(pattern, true);
  }
  const [blocker] = options.isOnlyMigratable ? listBlockers(qemu) : [];
  if (blocker !== undefined) throw new OptionError(`${options.program}: ${blocker}`);
  strikeFaults(qemu, undefined);
  if (options.incoming === undefined) {
    if (qemu.isAutostart) startGuest(qemu);
    return;
  }
  if (options.incoming !== "defer") listenAtOnce(qemu, options.incoming);
}

function listenAtOnce(qemu: Qemu, uri: string): void {
  const address = parseUri(uri);
  if (!address) {
    throw new OptionError(
      `${qemu.options.program}: -incoming ${uri}: unknown migration protocol: ${uri}`,
    );
  }
  listenForMigration(qemu, address, (error) => {
    if (error === undefined) {
      awaitSource(qemu);
      return;
    }
    reportError(qemu, `-incoming ${uri}: ${error}`);
    exitProcess(qemu, 1);
  });
}

function addDrives(qemu: Qemu): void {
  qemu.options.drives.forEach(({ id, file, format }, index) => {
    const driveId = id ?? `ide0-hd${index}`;
    qemu.block.nodes.set(
      `#block${index + 1}00`,
      createBlockNode({ driver: format ?? "raw", driveId, file, sizeBytes: 1 << 30 }),
    );
  });
  for (const { driver, "node-name": name, filename, size } of qemu.options.blockdevs) {
    if (typeof name !== "string") continue;
    const file = typeof filename === "string" ? filename : undefined;
    if (file !== undefined) qemu.host.holdFile(file);
    qemu.block.nodes.set(
      name,
      createBlockNode({ driver: String(driver), file, sizeBytes: Number(size ?? 1 << 30) }),
    );
  }
}
