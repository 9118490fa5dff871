import { atLeast } from "../catalog/version.ts";
import { holdMainLoop, type Qemu, releaseMainLoop, reportError, runInMainLoop } from "../qemu.ts";
import { createInlet } from "../stream/endpoint.ts";
import type { Frame } from "../stream/frame.ts";
import type { Address, Channel } from "../stream/network.ts";
import type { Inbox } from "./incoming-state.ts";
import { failStart, loadMigration } from "./loading.ts";
import { receiveMultifd } from "./multifd-target.ts";
import { findCredentials, handshakeFailed, whyRefused } from "./tls.ts";
import { setStatus } from "./transition.ts";

/** Opens the target's listener; `done` receives the error text, if any. */
export function listenForMigration(
  qemu: Qemu,
  address: Address,
  done: (error: string | undefined) => void,
): void {
  qemu.network.listen(
    address,
    (channel) => {
      // While the main loop is blocked, the kernel keeps the connection in the listener's queue.
      qemu.incoming.handshakes.add(channel.close);
      runInMainLoop(qemu, () => accept(qemu, channel));
    },
    (outcome) => {
      if ("error" in outcome) {
        done(outcome.error);
        return;
      }
      qemu.incoming.listener = outcome.value;
      qemu.incoming.addresses = [outcome.value.address];
      done(undefined);
    },
  );
}

/** The first state of a target, and what it waits for. */
export function awaitSource(qemu: Qemu): void {
  qemu.incoming.isStarted = true;
  setStatus(qemu, "incoming", "setup");
}

/**
 * A new connection. Until its peer has sent something the main loop may be blocked: in the TLS
 * handshake, or in the read of the first bytes. `yank` ends the second only.
 */
function accept(qemu: Qemu, channel: Channel): void {
  const { incoming } = qemu;
  if (qemu.isExited) {
    channel.close();
    return;
  }
  const wait = findFirstWait(qemu);
  if (wait !== "handshake") {
    incoming.handshakes.delete(channel.close);
    incoming.closers.add(channel.close);
  }
  if (wait !== undefined) holdMainLoop(qemu, wait);
  let isWaiting = true;
  const endWait = (): void => {
    if (!isWaiting) return;
    isWaiting = false;
    incoming.handshakes.delete(channel.close);
    if (!inbox.isClosed) incoming.closers.add(channel.close);
    if (wait === undefined) return;
    if (inbox.isClosed) failFirstWait(qemu, wait);
    releaseMainLoop(qemu, wait);
  };
  const frames: Frame[] = [];
  const inlet = createInlet(channel, qemu.clock, qemu.knobs.linkLatencyMs, {
    onFrame(frame) {
      if (frame.type === "hello") {
        place(qemu, inbox, frame);
        endWait();
      } else frames.push(frame);
      qemu.tasks.poke();
    },
    onClose() {
      inbox.isClosed = true;
      incoming.closers.delete(channel.close);
      endWait();
      releaseMainLoop(qemu, "multifd");
      qemu.tasks.poke();
    },
  });
  const inbox: Inbox = { inlet, frames, isClosed: false, hasBegun: false };
  const isPlain = findCredentials(qemu, "server").kind === "off";
  if (wait === undefined && isPlain) takeAsMain(qemu, inbox);
}

/**
 * What the main loop does before it knows which channel a connection is. QEMU 10.0 looks at the
 * first bytes with multifd only, 11.1 always (tried; 11.0 is assumed to be as 11.1).
 */
function findFirstWait(qemu: Qemu): "handshake" | "peek" | undefined {
  if (findCredentials(qemu, "server").kind === "on") return "handshake";
  const peeks = qemu.capabilities.multifd
    ? atLeast(qemu.version, "8.0")
    : atLeast(qemu.version, "11.0");
  return peeks && qemu.incoming.status !== "postcopy-paused" ? "peek" : undefined;
}

function failFirstWait(qemu: Qemu, wait: "handshake" | "peek"): void {
  // The listener stays open.
  if (wait === "handshake") reportError(qemu, handshakeFailed);
  else failStart(qemu, "Failed to peek at channel");
}

/** Without a look at its first bytes, the first connection counts as the source's main channel. */
function takeAsMain(qemu: Qemu, inbox: Inbox): void {
  const { incoming } = qemu;
  if (incoming.main) {
    if (qemu.capabilities.multifd || incoming.status === "postcopy-paused") return;
    refuse(qemu, inbox);
    return;
  }
  incoming.main = inbox;
  startWhenComplete(qemu);
}

/** The first frame of a connection names its purpose. */
function place(qemu: Qemu, inbox: Inbox, hello: Extract<Frame, { type: "hello" }>): void {
  const { incoming, capabilities } = qemu;
  if (!shakeHands(qemu, hello.tls)) {
    inbox.inlet.close();
    return;
  }
  const isRecovering = incoming.status === "postcopy-paused";
  if (hello.channel === "main") {
    if (incoming.main && incoming.main !== inbox && !isRecovering) {
      // 7.2 takes it for a multifd channel, and fails when it reads from it.
      if (!capabilities.multifd) refuse(qemu, inbox);
      return;
    }
    incoming.main = inbox;
    inbox.inlet.credit(hello);
  } else {
    const channels = Number(qemu.parameters["multifd-channels"]);
    if (!capabilities.multifd) {
      refuse(qemu, inbox);
      return;
    }
    if (incoming.multifd.length >= channels) {
      // 10.0 and later wait for this channel in the main loop, forever; 7.2 refuses it.
      if (atLeast(qemu.version, "8.0")) holdMainLoop(qemu, "multifd");
      else refuse(qemu, inbox);
      return;
    }
    incoming.multifd.push(inbox);
    inbox.inlet.credit(hello);
  }
  if (!isRecovering) startWhenComplete(qemu);
}

function startWhenComplete(qemu: Qemu): void {
  const { incoming, capabilities } = qemu;
  const channels = capabilities.multifd ? Number(qemu.parameters["multifd-channels"]) : 0;
  if (!incoming.main || incoming.multifd.length < channels || incoming.status !== "setup") return;
  setStatus(qemu, "incoming", "active");
  for (const inbox of incoming.multifd) receiveMultifd(qemu, inbox);
  loadMigration(qemu);
}

function refuse(qemu: Qemu, inbox: Inbox): void {
  reportError(
    qemu,
    "socket_accept_incoming_migration: Extra incoming migration connection; ignoring",
  );
  inbox.inlet.close();
}

/** Both ends have TLS with the same secret, or neither has TLS. */
function shakeHands(qemu: Qemu, shown: string | undefined): boolean {
  const own = findCredentials(qemu, "server");
  if (own.kind === "off") {
    if (shown === undefined) return true;
    failOnHandshake(qemu);
    return false;
  }
  if (own.kind === "missing") {
    // 7.2 reports the error, and keeps listening.
    if (atLeast(qemu.version, "8.0")) failStart(qemu, own.error);
    else reportError(qemu, own.error);
    return false;
  }
  const reason = whyRefused(own, shown);
  if (reason !== undefined) reportError(qemu, reason);
  return reason === undefined;
}

/** The client's first TLS record is taken for the beginning of a stream. */
function failOnHandshake(qemu: Qemu): void {
  const { incoming } = qemu;
  if (incoming.main === undefined) {
    failStart(qemu, "unknown channel magic: 369295617");
    return;
  }
  incoming.brokenBy ??= "Not a migration stream";
  qemu.tasks.poke();
}
