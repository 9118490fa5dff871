/**
 * The target: loads the stream in the order in which it comes.
 *
 *   setup -> active -> completed | failed
 *
 * It runs in QEMU's main loop: while a device loads, QMP does not answer.
 */
import { atLeast } from "../catalog/version.ts";
import { exitProcess, holdMainLoop, type Qemu, releaseMainLoop, reportError } from "../qemu.ts";
import { type DeviceState, type Frame, returnType, word } from "../stream/frame.ts";
import { sleep, type Task } from "../task.ts";
import { INIT_DATA_SENT_TAG, type VfioDevice } from "../vfio.ts";
import type { Inbox } from "./incoming-state.ts";
import { closeListener, LoadError, nextFrame, shutReturnPath, startLoaded } from "./load-steps.ts";
import { loadConfig, startLoader } from "./multifd-target.ts";
import { runPostcopyTarget } from "./postcopy-target.ts";
import { setStatus } from "./transition.ts";
import { usesMultifd } from "./vfio-source.ts";

/** Time that the target needs to load the devices that QEMU emulates. */
const LOAD_DEVICES_MS = 1.5;

/** Starts to load: all channels are connected. */
export function loadMigration(qemu: Qemu): void {
  for (const vfio of qemu.vfio) {
    Object.assign(vfio.target, {
      isInitialLoaded: false,
      isFinalLoaded: false,
      hasApproved: false,
    });
    if (usesMultifd(qemu, vfio)) startLoader(qemu, vfio);
  }
  qemu.tasks.spawn(load(qemu), (error) => {
    if (error === undefined) return;
    if (!(error instanceof LoadError)) throw error;
    failLoading(qemu, error.message);
  });
}

function* load(qemu: Qemu): Task {
  let state: DeviceState | undefined;
  for (;;) {
    const { frame, inbox } = yield* nextFrame(qemu);
    if (frame.type === "postcopy-run") {
      checkDevices(qemu, frame.state);
      inbox.inlet.credit(frame);
      yield* runPostcopyTarget(qemu, frame.state, frame.ramBytes);
      return;
    }
    if (frame.type === "end") break;
    if (frame.type === "devices") {
      checkDevices(qemu, frame.state);
      state = frame.state;
      yield* sleep(qemu.clock, LOAD_DEVICES_MS);
    } else {
      yield* loadFrame(qemu, frame, inbox);
    }
    inbox.inlet.credit(frame);
  }
  const isLoaded = (): boolean =>
    qemu.incoming.brokenBy !== undefined || qemu.vfio.every(({ target }) => target.isFinalLoaded);
  if (!isLoaded()) yield { until: isLoaded };
  if (qemu.incoming.brokenBy !== undefined) throw new LoadError(qemu.incoming.brokenBy);
  finish(qemu, state);
}

/**
 * Completes the migration on the target. The guest runs if it was running before, unless the target
 * was started with -S.
 */
function finish(qemu: Qemu, state: DeviceState | undefined): void {
  startLoaded(qemu, state);
  closeListener(qemu);
  setStatus(qemu, "incoming", "completed");
  shutReturnPath(qemu);
}

function* loadFrame(qemu: Qemu, frame: Frame, inbox: Inbox): Task {
  const { incoming, capabilities } = qemu;
  switch (frame.type) {
    case "configuration":
      checkConfiguration(qemu, frame);
      return;
    case "open-return-path":
      openReturnPath(qemu, inbox);
      return;
    case "ping":
      if (incoming.hasReturnPath) inbox.inlet.reply(returnType.pong, word(frame.value));
      return;
    case "postcopy-advise":
      if (!capabilities["postcopy-ram"]) {
        throw new LoadError("RAM postcopy is disabled but have 16 byte advise");
      }
      return;
    case "setup":
      checkSetup(qemu, frame);
      return;
    case "vfio-data":
      yield* loadVfio(qemu, findVfio(qemu, frame.device), frame);
      return;
    case "vfio-init-sent":
      approve(qemu, findVfio(qemu, frame.device), inbox);
      return;
    case "vfio-config": {
      const vfio = findVfio(qemu, frame.device);
      if (usesMultifd(qemu, vfio)) {
        throw new LoadError(
          "got DEV_CONFIG_STATE in main migration channel but doing multifd transfer",
        );
      }
      yield* loadConfig(qemu, vfio);
      return;
    }
    case "bitmaps":
      for (const node of frame.names) {
        if (!qemu.block.nodes.has(node)) {
          reportError(qemu, `Cannot find device='${node}' nor node-name='${node}'`);
        }
      }
      return;
    default:
      return;
  }
}

function checkConfiguration(qemu: Qemu, frame: Extract<Frame, { type: "configuration" }>): void {
  const local = qemu.machineType.name;
  if (frame.machine !== local) {
    throw new LoadError(`Machine type received is '${frame.machine}' and local is '${local}'`);
  }
  if (frame.uuid !== undefined && frame.uuid !== qemu.options.uuid) {
    throw new LoadError(`UUID received is ${frame.uuid} and local is ${qemu.options.uuid}`);
  }
}

function checkSetup(qemu: Qemu, frame: Extract<Frame, { type: "setup" }>): void {
  if (frame.ramBytes !== qemu.ram.totalBytes) {
    const rom = qemu.ram.totalBytes - qemu.options.memoryBytes;
    const sizes = [frame.ramBytes - rom, qemu.options.memoryBytes].map(
      (bytes) => `0x${bytes.toString(16)}`,
    );
    throw new LoadError(`Size mismatch: pc.ram: ${sizes.join(" != ")}: Invalid argument`);
  }
  const own = String(qemu.parameters["multifd-compression"]);
  if (qemu.capabilities.multifd && frame.compression !== own) {
    const flags: Readonly<Record<string, number>> = { none: 0, zlib: 2, zstd: 4 };
    throw new LoadError(
      `multifd 0: flags received ${flags[frame.compression]} flags expected ${flags[own]}`,
    );
  }
}

function checkDevices(qemu: Qemu, state: DeviceState): void {
  const own = new Set(qemu.devices.map(({ driver, id }) => `${id ?? ""}/${driver}`));
  const missing = state.devices.find((device) => !own.has(device));
  if (!missing) return;
  throw new LoadError(
    `Unknown savevm section or instance '${missing}' 0. Make sure that your current VM setup ` +
      "matches your saved VM setup, including any hotplugged devices",
  );
}

/** Legacy ACK: counts the devices that must approve; if there is none, sends the ACK. */
function openReturnPath(qemu: Qemu, inbox: Inbox): void {
  const { incoming } = qemu;
  incoming.hasReturnPath = true;
  if (!qemu.capabilities["switchover-ack"] || !qemu.isAckLegacy) return;
  incoming.ackPending = qemu.vfio.filter(({ knobs }) => knobs.precopy).length;
  qemu.trace(
    "loadvm_state_switchover_ack_needed",
    `Switchover ack pending num=${incoming.ackPending}`,
  );
  if (incoming.ackPending === 0) inbox.inlet.reply(returnType.switchoverAck);
}

function approve(qemu: Qemu, vfio: VfioDevice, inbox: Inbox): void {
  const { incoming } = qemu;
  qemu.trace("vfio_load_state", `(${vfio.name}) data ${INIT_DATA_SENT_TAG}`);
  if (!qemu.capabilities["switchover-ack"]) {
    throw new LoadError(`${vfio.name}: Received INIT_DATA_SENT but switchover ack is not used`);
  }
  if (!qemu.isAckLegacy) {
    qemu.trace("loadvm_approve_switchover", `Approver ${vfio.name}`);
    inbox.inlet.reply(returnType.switchoverAck);
    return;
  }
  if (vfio.target.hasApproved) return;
  vfio.target.hasApproved = true;
  incoming.ackPending -= 1;
  const isNew = atLeast(qemu.version, "11.1");
  qemu.trace(
    isNew ? "loadvm_approve_switchover_legacy" : "loadvm_approve_switchover",
    `Switchover ack pending num=${incoming.ackPending}`,
  );
  if (incoming.ackPending === 0) inbox.inlet.reply(returnType.switchoverAck);
}

/** Writing to a device blocks the main loop for the time that the kernel needs. */
function* loadVfio(
  qemu: Qemu,
  vfio: VfioDevice,
  frame: Extract<Frame, { type: "vfio-data" }>,
): Task {
  const { knobs, target } = vfio;
  const ends = frame.part === "initial" && frame.isLast;
  const tlsSeconds = qemu.parameters["tls-creds"] ? frame.bytes / qemu.knobs.tlsBytesPerSecond : 0;
  holdMainLoop(qemu, "device");
  yield* sleep(
    qemu.clock,
    Math.max(frame.bytes / knobs.loadBytesPerSecond, tlsSeconds) * 1000 +
      (ends ? knobs.loadInitialMs : 0),
  );
  releaseMainLoop(qemu, "device");
  if (ends) target.isInitialLoaded = true;
}

function findVfio(qemu: Qemu, key: string): VfioDevice {
  const found = qemu.vfio.find((vfio) => vfio.key === key);
  if (!found) throw new LoadError(`Unknown savevm section or instance '${key}/vfio' 0`);
  return found;
}

/** Ends a failed target, and its process unless exit-on-error is off. */
export function failLoading(qemu: Qemu, text: string): void {
  const { incoming } = qemu;
  releaseMainLoop(qemu, "device");
  reportError(qemu, text);
  // What fails on a multifd channel does not reach the return path.
  const isTold = incoming.hasReturnPath && !text.startsWith("multifd");
  if (isTold) incoming.main?.inlet.reply(returnType.shut, word(1));
  const general = "load of migration failed: Invalid argument";
  const full = atLeast(qemu.version, "11.0") ? `${general}: ${text}` : general;
  incoming.errorDesc = text.startsWith("multifd") ? text : full;
  endIncoming(qemu);
  if (incoming.isExitOnError) reportError(qemu, full);
}

/** Ends a target that cannot start to load. */
export function failStart(qemu: Qemu, text: string): void {
  reportError(qemu, text);
  endIncoming(qemu);
}

function endIncoming(qemu: Qemu): void {
  const { incoming } = qemu;
  setStatus(qemu, "incoming", "failed");
  closeListener(qemu);
  for (const close of incoming.closers) close();
  incoming.closers.clear();
  if (incoming.isExitOnError) qemu.clock.after(2, () => exitProcess(qemu, 1));
}
