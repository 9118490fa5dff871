import { findFault } from "../faults.ts";
import { holdMainLoop, type Qemu, releaseMainLoop } from "../qemu.ts";
import { sleep, type Task } from "../task.ts";
import type { VfioDevice } from "../vfio.ts";
import type { Inbox } from "./incoming-state.ts";

/** Receives from a multifd channel: RAM at once, device state into its device's queue. */
export function receiveMultifd(qemu: Qemu, inbox: Inbox): void {
  qemu.tasks.spawn(receive(qemu, inbox));
}

/** Starts the thread that loads a device's state as it comes over multifd. */
export function startLoader(qemu: Qemu, vfio: VfioDevice): void {
  qemu.incoming.deviceQueues.set(vfio.key, []);
  qemu.tasks.spawn(loadQueued(qemu, vfio));
}

/**
 * Loads the last part of a device's state. All devices do it under one lock, and the main loop is
 * blocked meanwhile.
 *
 * @throws LoadError
 */
export function* loadConfig(qemu: Qemu, vfio: VfioDevice): Task {
  const { incoming } = qemu;
  if (incoming.isConfigLocked) yield { until: () => !incoming.isConfigLocked };
  incoming.isConfigLocked = true;
  holdMainLoop(qemu, "device");
  yield* sleep(qemu.clock, vfio.knobs.loadFinalMs);
  releaseMainLoop(qemu, "device");
  incoming.isConfigLocked = false;
  const fault = findFault(qemu.faults, "fail-load");
  if (fault && (fault.device === undefined || fault.device === vfio.key)) {
    const name = `${vfio.name}/vfio`;
    incoming.brokenBy ??= `error while loading state for instance 0x0 of device '${name}'`;
    return;
  }
  vfio.target.isFinalLoaded = true;
}

function* receive(qemu: Qemu, inbox: Inbox): Task {
  for (;;) {
    yield { until: () => inbox.frames.length > 0 || inbox.isClosed };
    if (qemu.stalls > 0) yield { until: () => qemu.stalls === 0 };
    const frame = inbox.frames.shift();
    if (!frame) return;
    if (frame.type === "vfio-data" || frame.type === "vfio-config") {
      const queue = qemu.incoming.deviceQueues.get(frame.device);
      if (queue) queue.push(frame);
      else qemu.incoming.brokenBy ??= "got DEV_CONFIG_LOAD_READY but was disabled";
    }
    inbox.inlet.credit(frame);
    qemu.tasks.poke();
  }
}

function* loadQueued(qemu: Qemu, vfio: VfioDevice): Task {
  const queue = qemu.incoming.deviceQueues.get(vfio.key) ?? [];
  for (;;) {
    yield { until: () => queue.length > 0 || qemu.incoming.status === "failed" };
    const frame = queue.shift();
    if (!frame) return;
    if (frame.type === "vfio-data") {
      yield* sleep(qemu.clock, (frame.bytes / vfio.knobs.loadBytesPerSecond) * 1000);
      continue;
    }
    yield* loadConfig(qemu, vfio);
    qemu.tasks.poke();
    return;
  }
}
