/**
 * Errors that decide what a workflow does next. A class's `name` is the error name that `Catch` and
 * `Retry` of the state machine list.
 *
 *     SwitchyardError
 *     ├── RetryableError        the same call may succeed later
 *     │   ├── TableBusy         (a task reports both as RetryableError)
 *     │   └── TableUnreachable
 *     └── TerminalError         the same call will always fail
 *         ├── NegotiationRefused
 *         ├── HostClosed
 *         ├── QueueDeadline
 *         ├── MigrationCancelled
 *         ├── SlotsTaken
 *         ├── SlotsDeadline
 *         └── StaleMigration
 */
export abstract class SwitchyardError extends Error {}

/** Something that a task needs could not be reached, or was too busy. */
export class RetryableError extends SwitchyardError {
  override name = "RetryableError";
}

/** The same call will always fail. */
export abstract class TerminalError extends SwitchyardError {}

/** Other writers held the same items for as long as the retries lasted. */
export class TableBusy extends RetryableError {
  override name = "TableBusy";
}

/** The table could not be reached, or could not carry out a call that was valid. */
export class TableUnreachable extends RetryableError {
  override name = "TableUnreachable";
}

/** The probes show that this guest cannot migrate in this way; the record names each blocker. */
export class NegotiationRefused extends TerminalError {
  override name = "NegotiationRefused";
}

/** The target takes no guests any more; the record says why. */
export class HostClosed extends TerminalError {
  override name = "HostClosed";
}

/** A migration has waited for slots or memory for as long as its policy allows. */
export class QueueDeadline extends TerminalError {
  override name = "QueueDeadline";
}

/** A person has asked for the way back. Waits that are interrupted fail with the same name. */
export class MigrationCancelled extends TerminalError {
  override name = "MigrationCancelled";
}

/** A migration is prepared, and a host has no slot for it: it waits for one. */
export class SlotsTaken extends TerminalError {
  override name = "SlotsTaken";
}

/** A prepared migration has waited for its slots for as long as its policy allows. */
export class SlotsDeadline extends TerminalError {
  override name = "SlotsDeadline";
}

/** The migration does not exist, is over, or is past the step that was asked for. */
export class StaleMigration extends TerminalError {
  override name = "StaleMigration";
}
