import { atLeast } from "../catalog/version.ts";
import { holdMainLoop, type Qemu, releaseMainLoop } from "../qemu.ts";
import { createOutlet, createSink, type Outlet } from "../stream/endpoint.ts";
import { returnType } from "../stream/frame.ts";
import type { Channel } from "../stream/network.ts";
import type { Task } from "../task.ts";
import type { Attempt } from "./outgoing-state.ts";
import { StreamError, sendNow, waitOnStream } from "./sending.ts";
import { findCredentials, handshakeFailed } from "./tls.ts";

/** Connects the main channel and the multifd channels of a new migration. */
export function* connectStreams(qemu: Qemu, attempt: Attempt): Task {
  yield* connectMain(qemu, attempt);
  if (!qemu.capabilities.multifd) return;
  const tls = showCredentials(qemu);
  const channels = Number(qemu.parameters["multifd-channels"]);
  for (let index = 0; index < channels; index++) {
    const outlet = yield* open(qemu, attempt, false);
    outlet.send({ type: "hello", channel: "multifd", index, tls });
    attempt.multifd.push(outlet);
  }
  // A target with fewer channels never accepts the last of these: the source stays in setup.
  const areAccepted = (): boolean => attempt.multifd.every((outlet) => outlet.isAccepted());
  yield* waitOnStream(attempt, { until: areAccepted });
}

/** Connects the main channel, also again for a postcopy migration that was paused. */
export function* connectMain(qemu: Qemu, attempt: Attempt): Task {
  const outlet = yield* open(qemu, attempt, true);
  attempt.main = outlet;
  const tls = showCredentials(qemu);
  sendNow(attempt, { type: "hello", channel: "main", index: 0, tls });
  // Without TLS the source continues without an answer of the target.
  if (tls !== undefined) yield* shakeHands(qemu, attempt, outlet);
}

/**
 * The source reads the server's part of the handshake in its main loop, with QEMU's big lock held:
 * until it comes, QMP does not answer and the guest stands still, without any event. `yank` does not
 * know the connection yet (QEMU migration/channel.c, migration_channel_connect).
 */
function* shakeHands(qemu: Qemu, attempt: Attempt, outlet: Outlet): Task {
  const wasRunning = qemu.guest.isRunning;
  holdMainLoop(qemu, "handshake");
  qemu.guest.stop();
  try {
    yield* waitOnStream(attempt, { until: () => outlet.isAccepted() });
  } finally {
    for (const close of qemu.outgoing.handshakes) qemu.outgoing.closers.add(close);
    qemu.outgoing.handshakes.clear();
    if (wasRunning && !qemu.isExited) qemu.guest.start();
    releaseMainLoop(qemu, "handshake");
  }
}

/** What the source presents in the TLS handshake; undefined: the stream is not encrypted. */
function showCredentials(qemu: Qemu): string | undefined {
  const credentials = findCredentials(qemu, "client");
  if (credentials.kind === "missing") throw new StreamError(credentials.error);
  return credentials.kind === "on" ? credentials.secrets[0] : undefined;
}

function* open(qemu: Qemu, attempt: Attempt, isMain: boolean): Task<Outlet> {
  if (attempt.address.type === "exec") return createSink();
  let channel: Channel | undefined;
  let error: string | undefined;
  qemu.network.connect(attempt.address, (outcome) => {
    if ("error" in outcome) error = outcome.error;
    else if (attempt.brokenBy !== undefined || qemu.isExited) outcome.value.close();
    else channel = outcome.value;
    qemu.tasks.poke();
  });
  yield* waitOnStream(attempt, { until: () => channel !== undefined || error !== undefined });
  if (!channel) throw new StreamError(error ?? "Failed to connect");
  const close = channel.close;
  const isInHandshake = isMain && findCredentials(qemu, "client").kind === "on";
  (isInHandshake ? qemu.outgoing.handshakes : qemu.outgoing.closers).add(close);
  const outlet = createOutlet(channel, qemu.clock, qemu.knobs.linkLatencyMs, {
    onReturn: (type, payload) => {
      if (isMain) takeReturn(qemu, attempt, type, payload);
      qemu.tasks.poke();
    },
    onClose: () => {
      qemu.outgoing.closers.delete(close);
      qemu.outgoing.handshakes.delete(close);
      // Nothing reads from a multifd channel: a write notices that it is closed.
      if (!isMain && attempt.isSent) return;
      const isRefused = !outlet.isAccepted();
      breakStream(qemu, attempt, isRefused ? refusedText(qemu) : lostText(qemu, isMain));
    },
    onCredit: () => qemu.tasks.poke(),
  });
  return outlet;
}

/** The stream is broken. 10.0 and later report it at once, whatever the state. */
export function breakStream(qemu: Qemu, attempt: Attempt, reason: string): void {
  const { outgoing } = qemu;
  if (attempt.endedMs !== undefined || outgoing.attempt !== attempt) return;
  if (attempt.shut === true) return;
  attempt.brokenBy ??= reason;
  if (atLeast(qemu.version, "10.0")) outgoing.errorDesc ??= attempt.brokenBy;
  qemu.tasks.poke();
}

/** The target has not accepted the connection. */
function refusedText(qemu: Qemu): string {
  if (qemu.parameters["tls-creds"]) return handshakeFailed;
  if (!atLeast(qemu.version, "8.0")) return "Unable to write to socket: Bad file descriptor";
  return "Unable to read from socket: Connection reset by peer";
}

function lostText(qemu: Qemu, isMain: boolean): string {
  if (!atLeast(qemu.version, "8.0")) return "Unable to write to socket: Bad file descriptor";
  if (qemu.capabilities.multifd) return "Unable to write to socket: Broken pipe";
  if (isMain && qemu.capabilities["return-path"]) return "Channel error: Input/output error";
  return "Unable to write to socket: Connection reset by peer";
}

/** Reads the return path. */
function takeReturn(qemu: Qemu, attempt: Attempt, type: number, payload: Buffer): void {
  switch (type) {
    case returnType.shut:
      qemu.trace("source_return_path_thread_shut", `0x${payload.readUInt32BE().toString(16)}`);
      if (payload.readUInt32BE() === 0) attempt.shut = true;
      else {
        attempt.shut = false;
        const reason = `Sibling indicated error ${payload.readUInt32BE()}`;
        breakStream(qemu, attempt, atLeast(qemu.version, "8.0") ? reason : lostText(qemu, true));
      }
      return;
    case returnType.pong:
      attempt.pongs += 1;
      qemu.trace("source_return_path_thread_pong", `0x${payload.readUInt32BE().toString(16)}`);
      return;
    case returnType.resumeAck:
      attempt.isResumeAcked = true;
      return;
    case returnType.switchoverAck:
      if (atLeast(qemu.version, "8.1")) takeAck(qemu, attempt);
      else breakStream(qemu, attempt, "RP: Received invalid message 0x0007 length 0x0000");
      return;
    default:
      breakStream(
        qemu,
        attempt,
        `RP: Received invalid message 0x${type.toString(16).padStart(4, "0")}`,
      );
  }
}

function takeAck(qemu: Qemu, attempt: Attempt): void {
  if (qemu.isAckLegacy) {
    attempt.isAcked = true;
    const isNew = atLeast(qemu.version, "11.1");
    qemu.trace(
      "source_return_path_thread_switchover_acked",
      isNew ? "switchover_ack_pending_num 0" : "",
    );
    return;
  }
  attempt.ackPending -= 1;
  if (attempt.ackPending < 0) {
    attempt.ackPending = 0;
    qemu.outgoing.errorDesc ??= "Switchover ack pending num underflowed";
    return;
  }
  qemu.trace(
    "source_return_path_thread_switchover_acked",
    `switchover_ack_pending_num ${attempt.ackPending}`,
  );
}
