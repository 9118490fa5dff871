/**
 * Errors of the QMP client: one class per decision a caller can take.
 *
 *   QmpError
 *   ├── QmpConnectError       no session: QEMU is not there (yet), or its monitor serves another client
 *   ├── QmpProtocolError      the peer is not understood: do not try again
 *   │   └── QmpGreetedAgainError  QEMU has begun the session anew: connect again
 *   ├── QmpCommandError       QEMU refused this command: read `class` and `desc`
 *   ├── QmpTimeoutError       no answer in time: outcome unknown if `sent`, the session stays usable
 *   ├── QmpBusyError          too many calls wait already: not sent, try again later
 *   └── QmpDisconnectedError  the session ended: outcome unknown if `sent`, connect again and query
 *
 * An aborted `AbortSignal` rejects with the signal's own reason instead.
 */
export class QmpError extends Error {
  override name = "QmpError";
}

/** No session within the deadline. `cause` is the last failure. */
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

/** The peer sent something that is not QMP, or an answer without its documented members. */
export class QmpProtocolError extends QmpError {
  override name = "QmpProtocolError";
}

/**
 * A second greeting: QEMU has reset the session to the negotiation of capabilities. It greets when a
 * client connects and when its monitor takes up its socket, and while it starts both may happen to one
 * client (QEMU monitor/qmp.c, monitor_qmp_event; seen once on 10.0.2 under load).
 */
export class QmpGreetedAgainError extends QmpProtocolError {
  override name = "QmpGreetedAgainError";
}

/**
 * QEMU answered with an error. `class` is stable; `desc` is for people, differs by version and must not
 * be parsed (qmp-spec, "Error").
 */
export class QmpCommandError extends QmpError {
  override name = "QmpCommandError";
  readonly command: string;
  readonly class: QmpErrorClass;
  readonly desc: string;
  /** Of the refused command, for debugging; secrets are replaced. */
  readonly arguments: Readonly<Record<string, unknown>>;

  constructor(
    command: string,
    errorClass: QmpErrorClass,
    desc: string,
    args: Readonly<Record<string, unknown>> = {},
  ) {
    super(`Failed to run \`${command}\`: ${desc}`);
    this.command = command;
    this.class = errorClass;
    this.desc = desc;
    this.arguments = args;
  }
}

/** QAPI schema, error.json, QapiErrorClass. Most errors are GenericError; unknown classes pass. */
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
  /** False: QEMU has not received the command and will not run it. */
  readonly sent: boolean;

  constructor(command: string, deadlineMs: number, sent: boolean) {
    const state = sent ? "" : "; it was not sent";
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
    super(`Failed to queue \`${command}\`: ${limit} calls are waiting`);
    this.command = command;
    this.limit = limit;
  }
}

/** The session ended before the call did. `cause` is the reason, absent after `close()`. */
export class QmpDisconnectedError extends QmpError {
  override name = "QmpDisconnectedError";
  /** The call that was cut off; undefined on the error that `closed` resolves with. */
  readonly command: string | undefined;
  /** False: QEMU has not received the command. */
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
