/**
 * Errors that decide what a workflow does next. A class's `name` is the error name that `Catch` and
 * `Retry` of the state machine list.
 *
 *     SwitchyardError
 *     ├── RetryableError        the same call may succeed later
 *     │   └── TableBusy         (a task reports it as RetryableError)
 *     └── TerminalError         the same call will always fail
 *         ├── NegotiationRefused
 *         └── StaleMigration
 */
export abstract class SwitchyardError extends Error {}

/** Something a task needs could not be reached, or was too busy. */
export class RetryableError extends SwitchyardError {
  override name = "RetryableError";
}

export abstract class TerminalError extends SwitchyardError {}

/** Other writers held the same items for longer than the retries lasted. */
export class TableBusy extends RetryableError {
  override name = "TableBusy";
}

/** Both ends were asked and cannot migrate this guest in this way; the record names each blocker. */
export class NegotiationRefused extends TerminalError {
  override name = "NegotiationRefused";
}

/** The migration does not exist, is over, or has gone past what was asked for. */
export class StaleMigration extends TerminalError {
  override name = "StaleMigration";
}
