/**
 * Errors of the QMP client: one class per decision a caller can take.
 *
 *   QmpError
 *   ├── QmpConnectError       no session came up: the QEMU is not there (yet) or its monitor is taken
 *   ├── QmpProtocolError      the peer is not understood: trying again is pointless
 *   ├── QmpCommandError       QEMU refused this command: nothing happened, read `class` and `desc`
 *   ├── QmpTimeoutError       no answer in time: outcome unknown if `sent`, the session stays usable
 *   ├── QmpBusyError          too many calls wait already: never sent, come back later
 *   └── QmpDisconnectedError  the session ended: outcome unknown if `sent`, connect anew and ask
 *
 * An aborted `AbortSignal` rejects with the signal's own reason instead.
 */
export class QmpError extends Error {
  override name = "QmpError";
}

/** Failed to bring a session up within the deadline. `cause` tells what was met last. */
export class QmpConnectError extends QmpError {
  override name = "QmpConnectError";
  readonly address: string;
  readonly attempts: number;

  constructor(address: string, attempts: number, why: string, options?: ErrorOptions) {
    super(`Failed to connect to QMP at ${address}: ${why}`, options);
    this.address = address;
    this.attempts = attempts;
  }
}

/** The peer sent what is not QMP, or an answer without the members it is documented to have. */
export class QmpProtocolError extends QmpError {
  override name = "QmpProtocolError";
}

/** QEMU answered with an error. `class` is stable, `desc` is text for people and differs by version. */
export class QmpCommandError extends QmpError {
  override name = "QmpCommandError";
  readonly command: string;
  readonly class: QmpErrorClass;
  readonly desc: string;

  constructor(command: string, errorClass: QmpErrorClass, desc: string) {
    super(`Failed to run \`${command}\`: ${desc}`);
    this.command = command;
    this.class = errorClass;
    this.desc = desc;
  }
}

/** QAPI's error classes. Nearly everything is GenericError; unknown ones pass. */
export type QmpErrorClass =
  | "GenericError"
  | "CommandNotFound"
  | "DeviceNotActive"
  | "DeviceNotFound"
  | "KVMMissingCap"
  | (string & {});

/** No answer, or no awaited event, within `deadlineMs`. A late answer is dropped, the session goes on. */
export class QmpTimeoutError extends QmpError {
  override name = "QmpTimeoutError";
  readonly command: string;
  readonly deadlineMs: number;
  /** False: QEMU has never seen the command, so it certainly did not run and never will. */
  readonly sent: boolean;

  constructor(command: string, deadlineMs: number, sent: boolean) {
    const state = sent ? "" : ", it was not sent";
    super(`Expected \`${command}\` to finish within ${deadlineMs} ms${state}`);
    this.command = command;
    this.deadlineMs = deadlineMs;
    this.sent = sent;
  }
}

/** The queue of calls is full. The command was not sent. */
export class QmpBusyError extends QmpError {
  override name = "QmpBusyError";
  readonly command: string;
  readonly limit: number;

  constructor(command: string, limit: number) {
    super(`Failed to queue \`${command}\`: ${limit} calls wait already`);
    this.command = command;
    this.limit = limit;
  }
}

/** The session ended before the call did; the reason of the end is in `cause`, if it was not `close()`. */
export class QmpDisconnectedError extends QmpError {
  override name = "QmpDisconnectedError";
  /** The call that was cut off; undefined on the error that `closed` resolves with. */
  readonly command: string | undefined;
  /** False: QEMU has never seen the command. */
  readonly sent: boolean;

  constructor(
    message: string,
    options: ErrorOptions & { readonly command?: string; readonly sent?: boolean } = {},
  ) {
    super(message, options);
    this.command = options.command;
    this.sent = options.sent ?? false;
  }
}
