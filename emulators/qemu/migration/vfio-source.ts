import { atLeast, parseVersion } from "../catalog/version.ts";
import type { Qemu } from "../qemu.ts";
import type { Outlet } from "../stream/endpoint.ts";
import type { Task } from "../task.ts";
import { precopyPending, queryPrecopy, type VfioDevice } from "../vfio.ts";
import type { Attempt } from "./outgoing-state.ts";
import { linkBytesPerSecond, sendNow, transmit, waitForRoom, waitOnStream } from "./sending.ts";

/** Size of one read of the device's migration data. */
const CHUNK_BYTES_MAX = 4 << 20;

/** One step of precopy for each device; false when no device had anything. */
export function* iterateVfio(qemu: Qemu, attempt: Attempt, sliceBytes: number): Task<boolean> {
  let hasSent = false;
  for (const vfio of qemu.vfio) {
    const { source } = vfio;
    if (precopyPending(vfio) > 0 && attempt.main) {
      const isInitial = source.initialLeft > 0;
      const available = isInitial ? source.initialLeft : Math.floor(source.dirtyBytes);
      const bytes = Math.max(1, Math.floor(Math.min(available, CHUNK_BYTES_MAX, sliceBytes)));
      if (isInitial) source.initialLeft -= bytes;
      else source.dirtyBytes -= bytes;
      attempt.statistics.vfioBytes += bytes;
      const isLast = isInitial && source.initialLeft === 0;
      const part = isInitial ? "initial" : "dirty";
      yield* transmit(
        qemu,
        attempt,
        attempt.main,
        { type: "vfio-data", bytes, device: vfio.key, part, isLast },
        saveMs(qemu, vfio, bytes),
      );
      hasSent = true;
    }
    announceInitialSent(qemu, attempt, vfio);
  }
  return hasSent;
}

/** New ACK: a device asks for one at its first pending query, and again after it reinitialises. */
export function askForAcks(qemu: Qemu, attempt: Attempt): void {
  if (!qemu.capabilities["switchover-ack"] || qemu.isAckLegacy) return;
  let asked = 0;
  for (const vfio of qemu.vfio) if (asksForAck(qemu, vfio)) asked += 1;
  attempt.ackPending += asked;
  qemu.trace(
    "qemu_savevm_query_pending",
    `collected switchover ack pending=${asked}, total switchover ack pending=${attempt.ackPending}`,
  );
}

/** Devices that ask for an ACK after the decision was made: too late. */
export function askedDuringSwitchover(qemu: Qemu, attempt: Attempt): number {
  if (!qemu.capabilities["switchover-ack"] || qemu.isAckLegacy) return 0;
  if (!attempt.wasRunning) return 0;
  return qemu.vfio.filter((vfio) => asksForAck(qemu, vfio)).length;
}

/** Starts to save what is left of the devices; `finish` waits until everything is sent. */
export function saveVfio(qemu: Qemu, attempt: Attempt): { finish: () => Task } {
  for (const vfio of qemu.vfio) {
    queryPrecopy(vfio, qemu.clock.nowMs(), false);
    vfio.source.finalLeft += precopyPending(vfio);
    Object.assign(vfio.source, { initialLeft: 0, dirtyBytes: 0 });
  }
  const parallel = qemu.vfio.filter((vfio) => usesMultifd(qemu, vfio));
  const serial = qemu.vfio.filter((vfio) => !parallel.includes(vfio));
  let running = parallel.length;
  let failure: unknown;
  parallel.forEach((vfio, index) => {
    qemu.tasks.spawn(
      saveParallel(qemu, attempt, vfio, outletFor(qemu, attempt, index)),
      (error) => {
        running -= 1;
        failure ??= error;
      },
    );
  });
  return {
    *finish() {
      for (const vfio of serial) yield* saveSerial(qemu, attempt, vfio);
      if (running > 0) yield* waitOnStream(attempt, { until: () => running === 0 });
      if (failure) throw failure;
    },
  };
}

/** Whether the final state of this device goes over multifd channels (10.0 and later). */
export function usesMultifd(qemu: Qemu, vfio: VfioDevice): boolean {
  const setting = vfio.device.properties["x-migration-multifd-transfer"];
  if (setting === "off" || setting === false) return false;
  return supportsMultifdState(qemu) && (setting === "on" || setting === true || isAutoOn(qemu));
}

/** The conditions that the property `on` requires; without them the migration fails. */
export function supportsMultifdState(qemu: Qemu): boolean {
  const machine = qemu.machineType.release;
  return (
    atLeast(qemu.version, "10.0") &&
    qemu.capabilities.multifd === true &&
    !qemu.capabilities["mapped-ram"] &&
    qemu.parameters["multifd-compression"] === "none" &&
    machine !== undefined &&
    atLeast(parseVersion(machine), "10.0")
  );
}

function isAutoOn(qemu: Qemu): boolean {
  return supportsMultifdState(qemu);
}

function* saveSerial(qemu: Qemu, attempt: Attempt, vfio: VfioDevice): Task {
  const { source } = vfio;
  while (source.finalLeft > 0 && attempt.main) {
    const bytes = Math.min(source.finalLeft, CHUNK_BYTES_MAX);
    source.finalLeft -= bytes;
    attempt.statistics.vfioBytes += bytes;
    const isLast = source.finalLeft === 0;
    yield* transmit(
      qemu,
      attempt,
      attempt.main,
      { type: "vfio-data", bytes, device: vfio.key, part: "final", isLast },
      saveMs(qemu, vfio, bytes),
    );
  }
  qemu.trace("vfio_save_complete_precopy", `(${vfio.name}) ret 0`);
  sendNow(attempt, { type: "vfio-config", device: vfio.key, multifd: false });
}

/** Runs as a thread for each device: they share the link, but not the device's time. */
function* saveParallel(qemu: Qemu, attempt: Attempt, vfio: VfioDevice, outlet: Outlet): Task {
  const { source } = vfio;
  const { rate, statistics } = attempt;
  let threadFreeMs = qemu.clock.nowMs();
  while (source.finalLeft > 0) {
    const bytes = Math.min(source.finalLeft, CHUNK_BYTES_MAX);
    const linkRate = linkBytesPerSecond(qemu, attempt);
    yield* waitForRoom(qemu, attempt, outlet, bytes, linkRate);
    source.finalLeft -= bytes;
    const isLast = source.finalLeft === 0;
    outlet.send({ type: "vfio-data", bytes, device: vfio.key, part: "final", isLast });
    statistics.vfioBytes += bytes;
    statistics.multifdBytes += bytes;
    statistics.transferredBytes += bytes;
    const nowMs = qemu.clock.nowMs();
    rate.linkFreeMs = Math.max(rate.linkFreeMs, nowMs) + (bytes / linkRate) * 1000;
    threadFreeMs = Math.max(threadFreeMs, nowMs) + saveMs(qemu, vfio, bytes);
    yield* waitOnStream(attempt, { deadlineMs: Math.max(rate.linkFreeMs, threadFreeMs) });
  }
  qemu.trace("vfio_save_complete_precopy", `(${vfio.name}) ret 0`);
  outlet.send({ type: "vfio-config", device: vfio.key, multifd: true });
}

/** Channels kept for device state are the last ones; without them all are shared with RAM. */
function outletFor(qemu: Qemu, attempt: Attempt, index: number): Outlet {
  const dedicated = Math.min(qemu.knobs.deviceStateChannels, attempt.multifd.length);
  const outlets = dedicated > 0 ? attempt.multifd.slice(-dedicated) : attempt.multifd;
  const outlet = outlets[index % outlets.length];
  if (!outlet) throw new Error("Expected a multifd channel for device state");
  return outlet;
}

/** One thread reads the device, encrypts, and writes to the channel. */
function saveMs(qemu: Qemu, vfio: VfioDevice, bytes: number): number {
  const tlsSeconds = qemu.parameters["tls-creds"] ? bytes / qemu.knobs.tlsBytesPerSecond : 0;
  return (bytes / vfio.knobs.saveBytesPerSecond + tlsSeconds) * 1000;
}

function announceInitialSent(qemu: Qemu, attempt: Attempt, vfio: VfioDevice): void {
  const { source, knobs } = vfio;
  const isOpen = !source.isInitialSentAnnounced && source.initialLeft === 0 && knobs.precopy;
  if (!isOpen || !qemu.capabilities["switchover-ack"]) return;
  source.isInitialSentAnnounced = true;
  if (knobs.reinitAfterMs > 0) source.askAgainMs ??= qemu.clock.nowMs() + knobs.reinitAfterMs;
  qemu.trace("vfio_send_init_data_flag", `(${vfio.name})`);
  sendNow(attempt, { type: "vfio-init-sent", device: vfio.key });
}

function asksForAck(qemu: Qemu, vfio: VfioDevice): boolean {
  const { source, knobs } = vfio;
  if (!knobs.precopy) return false;
  const isAgain = source.askAgainMs !== undefined && qemu.clock.nowMs() >= source.askAgainMs;
  if (source.hasAskedForAck && !isAgain) return false;
  if (isAgain) {
    Object.assign(source, {
      askAgainMs: undefined,
      isInitialSentAnnounced: false,
      initialLeft: knobs.initialBytes,
    });
  }
  source.hasAskedForAck = true;
  qemu.trace("vfio_query_precopy_size_request_switchover_ack", `(${vfio.name})`);
  return true;
}
