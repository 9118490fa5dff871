/** What a refusal may be answered with, and the title that RFC 9457 asks for. */
export const statusTitles = {
  400: "Bad request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not found",
  405: "Method not allowed",
  409: "Conflict",
  413: "Content too large",
  415: "Unsupported media type",
  422: "Unprocessable content",
  429: "Too many requests",
  500: "Internal error",
  503: "Service unavailable",
} as const;
export type ProblemStatus = keyof typeof statusTitles;

type ProblemKind = { readonly status: ProblemStatus; readonly meaning: string };

/**
 * Every code that a request can be refused with. The status follows from the code, here and nowhere
 * else; docs/reference/failures.md says what to do about each one.
 */
export const problemKinds = {
  "malformed-json": { status: 400, meaning: "The body is not valid JSON" },
  unauthorized: { status: 401, meaning: "The token, or an agent's signature, is missing or wrong" },
  "clock-skew": {
    status: 401,
    meaning: "The host's clock differs too much from the cloud's (agents only)",
  },
  "join-refused": {
    status: 403,
    meaning: "The join token is unknown, used or expired (agents only)",
  },
  "scope-missing": {
    status: 403,
    meaning: "The caller's token does not have the scope that the operation needs",
  },
  "blast-radius": {
    status: 403,
    meaning: "Too many hosts would be emptied at once for a caller without the scope admin",
  },
  "approver-is-planner": {
    status: 403,
    meaning: "Whoever has planned the evacuation may not approve it",
  },
  "route-not-found": { status: 404, meaning: "The API has no such path" },
  "host-not-found": { status: 404, meaning: "There is no such host" },
  "vm-not-found": { status: 404, meaning: "There is no such VM" },
  "device-not-found": { status: 404, meaning: "The VM's definition has no device of this id" },
  "migration-not-found": { status: 404, meaning: "There is no such migration" },
  "evacuation-not-found": { status: 404, meaning: "There is no such evacuation" },
  "plan-not-found": { status: 404, meaning: "The plan has no such version" },
  "move-not-found": { status: 404, meaning: "The VM is not part of the evacuation" },
  "schedule-not-found": { status: 404, meaning: "There is no such schedule" },
  "freeze-not-found": { status: 404, meaning: "There is no such change freeze" },
  "webhook-not-found": { status: 404, meaning: "There is no such webhook" },
  "delivery-not-found": { status: 404, meaning: "The webhook has no delivery of this event" },
  "method-not-allowed": { status: 405, meaning: "The path does not have this method" },
  "host-exists": { status: 409, meaning: "A host of this name exists already" },
  "host-not-active": { status: 409, meaning: "The agent of the host has not registered yet" },
  cordoned: { status: 409, meaning: "Somebody wants no guest to come to the host" },
  "host-draining": { status: 409, meaning: "An evacuation empties the host" },
  "host-maintenance": { status: 409, meaning: "The host is in maintenance" },
  "host-retiring": { status: 409, meaning: "The host is being retired" },
  "host-retired": { status: 409, meaning: "The host was retired" },
  "host-without-key": { status: 409, meaning: "The agent of the host has no key" },
  "host-not-empty": {
    status: 409,
    meaning: "The host has guests or migrations; `vms` and `migrations` name them",
  },
  "host-not-silent": {
    status: 409,
    meaning: "The host is not silent: its agent can tell what has become of its guests",
  },
  "host-changed": { status: 409, meaning: "Other requests are changing the host: try again" },
  "too-many-cordons": { status: 409, meaning: "The host has as many cordons as it can have" },
  "fleet-too-large": { status: 409, meaning: "There are more hosts or VMs than one plan takes" },
  "host-full": { status: 409, meaning: "The host has too little memory left for the VM" },
  "vm-exists": { status: 409, meaning: "A VM of this name exists already" },
  "vm-locked": { status: 409, meaning: "A migration holds the VM; `migration` is its id" },
  "vm-unknown": { status: 409, meaning: "Nobody knows where the VM runs: a person must decide" },
  "vm-changed": { status: 409, meaning: "Other requests are changing the VM: read it again" },
  pinned: { status: 409, meaning: "Somebody wants the VM to stay on its host" },
  "label-missing": { status: 409, meaning: "The host lacks a label that the VM requires" },
  "anti-affinity": {
    status: 409,
    meaning: "A VM is on the host, or on its way, from which this one stands apart",
  },
  "vm-without-guest": { status: 409, meaning: "The VM has no guest: it has ended, or is starting" },
  "vm-not-running": { status: 409, meaning: "Only a running VM can be migrated" },
  "nothing-to-reconcile": {
    status: 409,
    meaning: "The VM is not `unknown`, and no migration holds it whose execution is lost",
  },
  "host-refused": { status: 409, meaning: "The agent of the host refuses; `detail` says why" },
  "probe-failed": { status: 409, meaning: "A host could not carry out its probe" },
  "migration-over": { status: 409, meaning: "The migration has ended" },
  "migration-cancelling": { status: 409, meaning: "The migration is being cancelled" },
  "migration-not-started": { status: 409, meaning: "The migration sends nothing yet" },
  "migration-switching-over": { status: 409, meaning: "The migration has stopped its guest" },
  "too-many-changes": { status: 409, meaning: "The limit was changed too often" },
  "past-point-of-no-return": { status: 409, meaning: "The guest has stopped on the source" },
  "not-gated": { status: 409, meaning: "The migration has no gate" },
  "not-waiting-for-ack": { status: 409, meaning: "The migration is not waiting for an ACK" },
  "plan-changed": { status: 409, meaning: "A newer version of the plan is the one to approve" },
  "plan-refused": { status: 409, meaning: "The plan cannot be carried out; `blockers` says why" },
  "plan-too-long": { status: 409, meaning: "The plan is too long: empty fewer hosts at once" },
  "approval-expired": { status: 409, meaning: "The evacuation was not approved in time" },
  "evacuation-over": { status: 409, meaning: "The evacuation has ended" },
  "evacuation-not-planned": { status: 409, meaning: "No version awaits an approval" },
  "evacuation-not-running": { status: 409, meaning: "The evacuation is in another state" },
  "nothing-to-roll-back": { status: 409, meaning: "No VM of the evacuation has moved" },
  "too-many-pauses": { status: 409, meaning: "The evacuation has as many pauses as it can have" },
  "move-in-flight": { status: 409, meaning: "The VM is being moved; `migration` moves it" },
  "no-notice": {
    status: 409,
    meaning: "The owner of the VM was given no notice: there is nothing to acknowledge",
  },
  "move-over": { status: 409, meaning: "The VM's part in the evacuation has ended" },
  "too-many-schedules": { status: 409, meaning: "There are as many schedules as there can be" },
  "schedule-changed": {
    status: 409,
    meaning: "Other requests are changing the schedule: try again",
  },
  "schedule-paused": { status: 409, meaning: "Somebody wants no window of the schedule to open" },
  "no-such-window": {
    status: 409,
    meaning: "The schedule has no window to come that starts then",
  },
  "too-many-skips": {
    status: 409,
    meaning: "As many windows of the schedule are skipped as there can be",
  },
  "in-change-freeze": { status: 409, meaning: "A change freeze holds: nothing starts" },
  "schedule-in-use": { status: 409, meaning: "An evacuation of the schedule has not ended" },
  "too-many-webhooks": { status: 409, meaning: "There are as many webhooks as there can be" },
  "webhooks-changed": {
    status: 409,
    meaning: "Other requests are changing the webhooks: try again",
  },
  "webhook-not-enabled": { status: 409, meaning: "The webhook is paused or was disabled" },
  "too-many-freezes": { status: 409, meaning: "There are as many change freezes as there can be" },
  "freezes-changed": { status: 409, meaning: "Other requests are changing the freezes: try again" },
  "event-gap": { status: 409, meaning: "Events before these are missing (agents only)" },
  "request-replayed": {
    status: 409,
    meaning: "The request, or a later one of this host, was received before (agents only)",
  },
  superseded: {
    status: 409,
    meaning: "Another agent has registered for this host since (agents only)",
  },
  "body-too-large": { status: 413, meaning: "The body is longer than the API takes" },
  "not-json": { status: 415, meaning: "The content type is not application/json" },
  invalid: { status: 422, meaning: "The request does not fit its schema; `errors` has each field" },
  "not-importable": {
    status: 422,
    meaning: "No definition can be made of the command line; `detail` says why",
  },
  "record-too-large": {
    status: 422,
    meaning: "A record would have more than the 400 KB that are stored of one",
  },
  "source-is-target": { status: 422, meaning: "The VM is on the target already" },
  "idempotency-key-reused": { status: 422, meaning: "The key was used for another request" },
  "too-many-requests": {
    status: 429,
    meaning: "The caller asks too often: the header `retry-after` says when to ask again",
  },
  internal: { status: 500, meaning: "The request failed for a reason that only the log has" },
  "host-silent": {
    status: 503,
    meaning: "The host has not been heard, or did not answer in time",
  },
  "host-unreachable": { status: 503, meaning: "The command could not be sent to the host" },
  "table-unreachable": { status: 503, meaning: "The table cannot be reached, or cannot write" },
  "workflow-unavailable": { status: 503, meaning: "The workflow could not be reached" },
  "scheduler-unavailable": {
    status: 503,
    meaning: "EventBridge Scheduler could not be reached: a start may be late",
  },
} as const satisfies Record<string, ProblemKind>;
export type ProblemCode = keyof typeof problemKinds;

/** The URI that names a kind of problem (RFC 9457, `type`). */
export function problemType(code: ProblemCode): string {
  return `urn:switchyard:problem:${code}`;
}
