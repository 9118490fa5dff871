import type { BlockLayer } from "./block.ts";
import type { CapabilitySet } from "./catalog/capabilities.ts";
import type { CompatProperty, MachineType } from "./catalog/machine-types.ts";
import type { Parameters } from "./catalog/parameters.ts";
import type { RunState } from "./catalog/run-states.ts";
import type { Version } from "./catalog/version.ts";
import type { Clock } from "./clock.ts";
import type { Device } from "./device.ts";
import type { Fault } from "./faults.ts";
import type { Guest } from "./guest.ts";
import type { Job } from "./job.ts";
import type { Knobs } from "./knobs.ts";
import type { Incoming } from "./migration/incoming-state.ts";
import type { Outgoing } from "./migration/outgoing-state.ts";
import type { Options } from "./options.ts";
import { type JsonObject, toText } from "./qmp/text.ts";
import type { Ram } from "./ram.ts";
import type { Random } from "./random.ts";
import type { Network } from "./stream/network.ts";
import type { TaskRunner } from "./task.ts";
import type { Trace } from "./trace.ts";
import type { VfioDevice } from "./vfio.ts";

/** The process around a model. Time and connections come from the clock and the network. */
export type Host = {
  readonly pid: number;
  /** The guest's serial line; undefined = it has none. */
  readonly onSerial: ((text: string) => void) | undefined;
  onStderr(line: string): void;
  /** A line of the trace log; `path` is the file of the last `logfile`, else that of -D. */
  onLog(line: string, path: string | undefined): void;
  /** The process exits with this code. The model does nothing afterwards. */
  onExit(code: number): void;
  /** Undefined when the file cannot be read. */
  readFile(path: string): string | undefined;
  /** Keeps a file open until the process exits, as QEMU does with a disk's. */
  holdFile(path: string): void;
};

/** An object of object-add. */
export type UserObject = {
  readonly type: string;
  readonly properties: JsonObject;
  /** For TLS credentials of a client: the content that they were created from. */
  readonly secret: string | undefined;
};

/** A connected monitor, as the rest of the model sees it. */
export type MonitorPort = {
  /** Sends an event, at once or when the main loop runs again. */
  event(text: string): void;
  /** The main loop runs again: process what waited for it. */
  wake(): void;
  close(): void;
};

/** The guest's disks, as far as they fail. */
export type Disk = {
  /** So many accesses of the guest fail from now on. */
  failures: number;
  /** When the last BLOCK_IO_ERROR was sent. */
  reportedMs: number;
  isReportPending: boolean;
  /** Another process holds the image lock. */
  isLocked: boolean;
};

/** The state of one model process; functions over it are its behaviour. */
export type Qemu = {
  readonly version: Version;
  readonly knobs: Knobs;
  readonly options: Options;
  readonly machineType: MachineType;
  /** Properties that the machine type sets for compatibility. */
  readonly compat: readonly CompatProperty[];
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly host: Host;
  readonly tasks: TaskRunner;
  readonly trace: Trace;
  readonly guest: Guest;
  readonly ram: Ram;
  readonly block: BlockLayer;
  readonly disk: Disk;
  readonly jobs: Map<string, Job>;
  readonly devices: Device[];
  readonly vfio: VfioDevice[];
  readonly objects: Map<string, UserObject>;
  readonly monitors: Set<MonitorPort>;
  readonly outgoing: Outgoing;
  readonly incoming: Incoming;
  /** Faults that have not struck yet. */
  readonly faults: Fault[];
  /** Reasons why the main loop is blocked; empty: it runs. */
  readonly mainLoopHolders: Set<string>;
  /** What the main loop does as soon as it runs again. */
  readonly mainLoopJobs: Array<() => void>;
  runState: RunState;
  /** The guest slept when it was stopped: it continues asleep. */
  wasAsleep: boolean;
  capabilities: CapabilitySet;
  parameters: Parameters;
  /** One ACK for the whole migration (8.1 to 11.0, and older machine types on 11.1). */
  readonly isAckLegacy: boolean;
  /** Start the guest once it is loaded. */
  isAutostart: boolean;
  isExited: boolean;
  isFrozen: boolean;
  /** A frozen process continues with its guest running. */
  thawRunning: boolean;
  /** More than 0: the migration connections pass nothing. */
  stalls: number;
};

/** Sends an event to every monitor, stamped with the current time. */
export function emit(qemu: Qemu, event: string, data?: JsonObject): void {
  const epochUs = Math.floor(qemu.clock.epochMs() * 1000);
  const timestamp = {
    seconds: Math.floor(epochUs / 1_000_000),
    microseconds: epochUs % 1_000_000,
  };
  const message = data ? { timestamp, event, data } : { timestamp, event };
  const text = toText(message);
  for (const monitor of qemu.monitors) monitor.event(text);
}

/** Keeps the main loop (and so QMP, except out of band) from running, for the named reason. */
export function holdMainLoop(qemu: Qemu, reason: string): void {
  qemu.mainLoopHolders.add(reason);
}

export function releaseMainLoop(qemu: Qemu, reason: string): void {
  if (!qemu.mainLoopHolders.delete(reason)) return;
  wakeMainLoop(qemu);
}

/** The main loop does what waited for it, until something blocks it again. */
export function wakeMainLoop(qemu: Qemu): void {
  while (!isMainLoopHeld(qemu)) {
    const job = qemu.mainLoopJobs.shift();
    if (job === undefined) break;
    job();
  }
  if (isMainLoopHeld(qemu)) return;
  for (const monitor of qemu.monitors) monitor.wake();
}

/** Does a job now, or when the main loop runs again. */
export function runInMainLoop(qemu: Qemu, job: () => void): void {
  if (isMainLoopHeld(qemu)) qemu.mainLoopJobs.push(job);
  else job();
}

function isMainLoopHeld(qemu: Qemu): boolean {
  return qemu.isFrozen || qemu.mainLoopHolders.size > 0;
}

/** Writes a line to standard error, with the program's name before it. */
export function reportError(qemu: Qemu, text: string): void {
  qemu.host.onStderr(`${qemu.options.program}: ${text}`);
}

/** Ends the process at once. */
export function exitProcess(qemu: Qemu, code: number): void {
  if (qemu.isExited) return;
  qemu.isExited = true;
  qemu.guest.stop();
  qemu.tasks.halt();
  for (const channel of listConnections(qemu)) channel();
  qemu.incoming.listener?.close();
  for (const monitor of [...qemu.monitors]) monitor.close();
  qemu.host.onExit(code);
}

/** Functions that close what is connected for migration, handshakes included. */
export function listConnections({ outgoing, incoming }: Qemu): Array<() => void> {
  return [...outgoing.closers, ...outgoing.handshakes, ...incoming.closers, ...incoming.handshakes];
}
