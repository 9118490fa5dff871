import { zodToOpenAPIRegistry } from "@asteasolutions/zod-to-openapi";
import { z } from "@hono/zod-openapi";
import { AuditCursor, AuditEntry } from "../../core/audit.ts";
import { ClimbedRung, Convergence, LadderName } from "../../core/convergence/ladder.ts";
import { StallRule } from "../../core/convergence/stall.ts";
import { DefinitionParts, Device } from "../../core/definition/parts.ts";
import { PartId, QapiObject } from "../../core/definition/values.ts";
import { Counters } from "../../core/evacuation/counters.ts";
import {
  Evacuation,
  EvacuationEta,
  EvacuationMove,
  EvacuationStatus,
  HostTurn,
} from "../../core/evacuation/evacuation.ts";
import { Pause } from "../../core/evacuation/pause.ts";
import {
  EvacuationLimits,
  EvacuationOptions,
  EvacuationRequest,
} from "../../core/evacuation/request.ts";
import { VersionOutline, VersionReason } from "../../core/evacuation/version.ts";
import { ByWhom, HostCordon, Message, Owner } from "../../core/host/cordon.ts";
import { HostState } from "../../core/host/host-state.ts";
import {
  ChangeFreezeId,
  EvacuationId,
  HostId,
  MigrationId,
  ScheduleId,
  VmId,
} from "../../core/id.ts";
import { IMPORT_NOTES_MAX, ImportNote } from "../../core/import/note.ts";
import { Labels } from "../../core/labels.ts";
import {
  Failure,
  Gate,
  Migration,
  MigrationStatus,
  Phase,
  Prediction,
  Sample,
  TimelineEntry,
} from "../../core/migration/migration.ts";
import { AckMode, Agreement, Blocker, Choice } from "../../core/negotiate/agreement.ts";
import { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { Placement } from "../../core/plan/placement.ts";
import { AckEvidence, FinalFigures, Progress } from "../../core/protocol/event.ts";
import { FoundGuest, FoundGuests } from "../../core/protocol/found-guest.ts";
import { Host, HostChange, HostFacts, HostUsage, UnfitEvent } from "../../core/protocol/host.ts";
import {
  JOIN_TOKEN_SECONDS_DEFAULT,
  JOIN_TOKEN_SECONDS_MAX,
  JoinToken,
} from "../../core/protocol/identity.ts";
import { MachineType, ParameterValue, QemuProbe, QemuVersion } from "../../core/protocol/probe.ts";
import { Proposal, ProposalDigest } from "../../core/protocol/proposal.ts";
import { SideSettings } from "../../core/protocol/side-settings.ts";
import { CapabilityWish } from "../../core/qemu/capability-wish.ts";
import { ChangeFreeze, ChangeFreezeView } from "../../core/schedule/change-freeze.ts";
import { HostSelector } from "../../core/schedule/host-selector.ts";
import {
  MissedWindows,
  OccurrenceRun,
  OccurrenceView,
  Schedule,
  ScheduleChange,
  SchedulePreview,
  ScheduleRequest,
} from "../../core/schedule/schedule.ts";
import { StartTimes } from "../../core/schedule/start-times.ts";
import { AcceptDifferences } from "../../core/twin/comparison.ts";
import { Vm, VmDefinition } from "../../core/vm.ts";
import { Affinity, Pin, VmRules, VmRulesChange } from "../../core/vm-rules.ts";
import { FieldError } from "../http/field-error.ts";
import { ProblemBody } from "../http/problem.ts";

export const NewHost = z.strictObject({
  id: HostId,
  slotsOut: Host.shape.slotsOut.default(2),
  slotsIn: Host.shape.slotsIn.default(2),
  prepareAhead: Host.shape.prepareAhead,
  labels: Labels.default({}),
});

/** Whoever has the token may name anybody: it is for people to read. */
export const HostRequest = z.strictObject({
  ...ByWhom.shape,
  owner: ByWhom.shape.owner.default("operator"),
});

/** What lets one agent join as the host, once. No other answer has it. */
export const IssuedJoinToken = z.strictObject({ token: JoinToken, expiresAt: z.iso.datetime() });

export const CreatedHost = z.strictObject({ host: Host, joinToken: IssuedJoinToken });

export const JoinTokenRequest = z.strictObject({
  /** For how long it may be used, seconds. */
  seconds: z.int().min(60).max(JOIN_TOKEN_SECONDS_MAX).default(JOIN_TOKEN_SECONDS_DEFAULT),
});

export const AuditPage = z.strictObject({
  items: z.array(AuditEntry),
  next: AuditCursor.optional(),
});

/** What became of the guests of a host that is down, and of those that were on their way to it. */
export const ConfirmedDown = z.strictObject({
  host: Host,
  /** VMs that no migration held: their guests have failed. */
  failed: z.array(VmId),
  /** Migrations from or to the host, which decide by it: see their records. */
  reconciling: z.array(z.strictObject({ vm: VmId, migration: MigrationId })),
});

export const UncordonedHost = z.strictObject({ host: Host, cleared: z.array(HostCordon) });

export const NewVm = z.strictObject({
  id: VmId,
  host: HostId,
  /** `discover`: nothing is adopted; the answer is a proposal (with `adopt` only). */
  definition: z.union([VmDefinition, z.literal("discover")]),
  /** The guest runs already: the agent adopts its QEMU by this QMP socket. */
  adopt: z
    .strictObject({
      qmpPath: z.string().startsWith("/").max(107),
      /** Of a proposal: the guest must still be as it was proposed. */
      digest: ProposalDigest.optional(),
    })
    .optional(),
  ...VmRules.shape,
});

/** A correction of a VM's definition, or a change of what people say of it. */
export const VmChange = z
  .strictObject({
    definition: VmDefinition.optional(),
    /** Names of differences from the guest that do no harm in the operator's judgement. */
    acceptDifferences: AcceptDifferences.optional(),
    ...VmRulesChange.shape,
  })
  .superRefine(({ definition, acceptDifferences, ...rules }, context) => {
    const isRules = Object.keys(rules).length > 0;
    const issue = (path: string[], message: string) =>
      context.addIssue({ code: "custom", path, message });
    if (definition === undefined && !isRules) issue([], "expected a field to change");
    if (definition !== undefined && isRules) {
      issue(["definition"], "expected in a request of its own: its host has to compare it first");
    }
    if (definition === undefined && acceptDifferences !== undefined) {
      issue(["acceptDifferences"], "expected with `definition` only");
    }
  });

/** A device for a guest that runs, with the parts that it needs and that are not there yet. */
export const NewDevice = z.strictObject({
  device: Device.refine(({ id }) => PartId.safeParse(id).success, "expected an `id`"),
  blockdevs: DefinitionParts.shape.blockdevs.optional(),
  netdevs: DefinitionParts.shape.netdevs,
  objects: DefinitionParts.shape.objects.optional(),
  acceptDifferences: AcceptDifferences.optional(),
});

/** A medium for a drive. */
export const MediumChange = z.strictObject({
  blockdev: QapiObject.refine(
    (node) => PartId.safeParse(node["node-name"]).success,
    "expected a `node-name`",
  ),
  /** Open the tray also if the guest has locked it. */
  force: z.boolean().default(false),
  acceptDifferences: AcceptDifferences.optional(),
});

export const NewImport = z.strictObject({
  /** Commands of a POSIX shell, one of which is QEMU. */
  commandLine: z.string().min(1).max(131_072),
});

/** A definition, and what became of each option that it does not have as it was given. */
export const Imported = z.strictObject({
  definition: VmDefinition,
  notes: z.array(ImportNote).max(2 * IMPORT_NOTES_MAX),
});

export const NewMigration = z.strictObject({
  vm: VmId,
  target: HostId,
  policy: MigrationPolicy.prefault({}),
});

export const DryRun = z.strictObject({
  dryRun: z.literal(true),
  agreed: z.boolean(),
  agreement: Agreement.optional(),
  blockers: z.array(Blocker),
});

export const BandwidthLimit = z.strictObject({
  maxBandwidthBytesPerSecond: z.int().min(0).max(Number.MAX_SAFE_INTEGER),
});

/** `next` is the cursor of the next page (`after`); the last page has none. */
const page = <S extends z.ZodType>(item: S) =>
  z.strictObject({ items: z.array(item), next: z.string().optional() });

export const HostPage = page(Host);
export const VmPage = page(Vm);
export const MigrationPage = page(Migration);
export const SamplePage = page(Sample);
/** The fleet at one moment; `truncated`: there are more hosts or migrations than it has. */
export const Fleet = z.strictObject({
  hosts: z.array(Host.extend({ vms: z.int().nonnegative() })),
  migrations: z.array(Migration.omit({ agreement: true, twinCheck: true })),
  truncated: z.boolean(),
});
export const EvacuationPage = page(Evacuation);
export const MovePage = page(EvacuationMove);

/** Whoever has the token may name anybody: it is for people to read, and to tell approvers apart. */
export const Acting = z.strictObject({
  by: Owner.default("operator"),
  message: Message.optional(),
});

export const Approving = z.strictObject({
  version: z.int().positive(),
  by: Owner.default("operator"),
});

/** What the planner has made, as it is: docs/internals/planner.md says what is in it. */
export const PlanDocument = z.looseObject({
  moves: z.array(z.looseObject({ vm: VmId, source: HostId, target: HostId })),
  unplaced: z.array(z.looseObject({ vm: VmId, host: HostId })),
  refusals: z.array(Blocker),
  warnings: z.array(z.string()),
  assumptions: z.array(z.string()),
});

export const EvacuationDryRun = z.strictObject({ dryRun: z.literal(true), plan: PlanDocument });

export const PlanVersion = z.strictObject({
  outline: VersionOutline,
  reason: VersionReason,
  changes: z.array(z.string()),
  at: z.iso.datetime(),
  plan: PlanDocument,
});
export const SchedulePage = page(Schedule);
export const ScheduleDryRun = z.strictObject({
  dryRun: z.literal(true),
  preview: SchedulePreview,
});
export const ChangeFreezes = z.strictObject({ items: z.array(ChangeFreezeView) });
export const Timeline = z.strictObject({ items: z.array(TimelineEntry) });
export const Health = z.strictObject({ status: z.literal("ok") });
export const OpenApiDocument = z.record(z.string(), z.unknown());

type Named = readonly [name: string, schema: z.ZodType, description: string];

const qapiObject = VmDefinition.shape.blockdevs.unwrap().element;

/** Every schema with a name of its own in the OpenAPI document. */
const namedSchemas: readonly Named[] = [
  ["HostId", HostId, "Name of a host"],
  ["VmId", VmId, "Name of a VM"],
  ["MigrationId", MigrationId, "`mig_` and a ULID: ids sort by creation"],

  ["Host", Host, "A host of the fleet"],
  ["HostFacts", HostFacts, "What the agent reports about its host when it registers"],
  ["HostState", HostState, "What is shown of a host; `silent`: its agent has not been heard"],
  ["HostCordon", HostCordon, "Somebody's mark that no guest is to come to a host"],
  ["HostChange", HostChange, "What to change of a host; what is absent stays"],
  ["ByWhom", ByWhom, "Who did it, and why"],
  ["HostRequest", HostRequest, "Who asks for it, and why"],
  ["ConfirmedDown", ConfirmedDown, "The host, and what became of its guests"],
  ["UncordonedHost", UncordonedHost, "The host, and the cordons that were ended"],
  ["Labels", Labels, "What people say of a host, by names that they choose"],
  ["HostUsage", HostUsage, "What the table counts of a host: slots and memory"],
  ["UnfitEvent", UnfitEvent, "An event of a host that the table refuses for good: it was passed"],
  ["QemuProbe", QemuProbe, "What the QEMU of a host can do"],
  ["QemuVersion", QemuVersion, "Version of QEMU"],
  ["MachineType", MachineType, "A machine type of QEMU"],
  ["NewHost", NewHost, "A host to create"],
  ["CreatedHost", CreatedHost, "The new host, and a join token for its agent"],
  ["IssuedJoinToken", IssuedJoinToken, "Lets one agent join as the host, once; shown this once"],
  ["JoinTokenRequest", JoinTokenRequest, "For how long a join token may be used"],
  ["AuditEntry", AuditEntry, "What somebody has asked the API to change, and its answer"],
  ["AuditPage", AuditPage, "A page of audit entries"],
  ["Fleet", Fleet, "Hosts, and migrations that run or need a person, at one moment"],
  ["HostPage", HostPage, "A page of hosts"],
  ["FoundGuest", FoundGuest, "A QEMU that runs on a host"],
  ["FoundGuests", FoundGuests, "The QEMUs of a host, oldest first"],

  ["Vm", Vm, "A VM: where it runs, and which migration holds it"],
  ["VmDefinition", VmDefinition, "What a guest is made of; it means the same on every host"],
  ["NewVm", NewVm, "A VM to start or to adopt"],
  ["Placement", Placement, "Where a VM could go now, host by host, and why not"],
  ["VmPage", VmPage, "A page of VMs"],
  ["VmChange", VmChange, "A correction of a VM's definition, or a change of its rules"],
  ["Affinity", Affinity, "A rule of a VM about the others of a group"],
  ["Pin", Pin, "Who wants a VM to stay on its host"],
  ["VmChange", VmChange, "A correction of a VM's definition"],
  ["NewDevice", NewDevice, "A device for a guest that runs, with the parts that it needs"],
  ["MediumChange", MediumChange, "A medium for a drive of a guest that runs"],
  ["Proposal", Proposal, "The definition of a QEMU that runs; nothing has been adopted"],
  ["NewImport", NewImport, "A command line of QEMU"],
  ["Imported", Imported, "The definition that a command line makes"],
  ["ImportNote", ImportNote, "What became of an option that the definition does not have"],

  ["Migration", Migration, "The record of one migration"],
  ["MigrationPolicy", MigrationPolicy, "How to migrate; every member has a default"],
  ["MigrationStatus", MigrationStatus, "`unknown`: a person must find out where the guest runs"],
  ["Phase", Phase, "What the workflow is doing"],
  ["Failure", Failure, "Why a migration did not complete"],
  ["Gate", Gate, "The hold of a switchover while the guest runs on the source"],
  ["Prediction", Prediction, "The expected downtime"],
  ["Progress", Progress, "Figures of QEMU's `query-migrate`: bytes, and bytes per second"],
  ["FinalFigures", FinalFigures, "The source's figures of a completed migration"],
  ["Convergence", Convergence, "What to do when a migration does not converge"],
  ["LadderName", LadderName, "Name of a convergence ladder"],
  ["StallRule", StallRule, "When a migration counts as stalled"],
  ["ClimbedRung", ClimbedRung, "A rung of the convergence ladder that was climbed"],
  ["CapabilityWish", CapabilityWish, "`ask`: on if both sides can; `require`; `forbid`"],
  ["ParameterValue", ParameterValue, "Value of a migration parameter"],
  ["AckMode", AckMode, "How the switchover ACK works"],
  ["AckEvidence", AckEvidence, "How the ACK was seen"],
  ["Agreement", Agreement, "What both sides are set to, and why"],
  ["SideSettings", SideSettings, "Capabilities and parameters of one side"],
  ["Choice", Choice, "One choice of the negotiation and its reason"],
  ["Blocker", Blocker, "Why a migration cannot start, and the cure"],
  ["NewMigration", NewMigration, "A migration to start"],
  ["DryRun", DryRun, "Whether and how the migration would go"],
  ["BandwidthLimit", BandwidthLimit, "Limit of what QEMU may send, B/s; 0 is unlimited"],
  ["MigrationPage", MigrationPage, "A page of migrations"],
  ["TimelineEntry", TimelineEntry, "One entry of a migration's timeline"],
  ["Timeline", Timeline, "The timeline of a migration"],
  ["Sample", Sample, "The progress of a migration at one moment"],
  ["SamplePage", SamplePage, "A page of samples"],

  ["EvacuationId", EvacuationId, "`evac_` and a ULID"],
  ["Evacuation", Evacuation, "An evacuation: hosts that are emptied by an approved plan"],
  ["EvacuationStatus", EvacuationStatus, "In the order of an evacuation's life"],
  ["EvacuationRequest", EvacuationRequest, "Hosts to be emptied, and how"],
  ["EvacuationOptions", EvacuationOptions, "Options of the planner; every member has a default"],
  ["EvacuationLimits", EvacuationLimits, "What may be changed while it runs"],
  ["EvacuationEta", EvacuationEta, "When it is expected to end, and the lower bound"],
  ["EvacuationMove", EvacuationMove, "One VM of an evacuation, with each try to move it"],
  ["EvacuationPage", EvacuationPage, "A page of evacuations"],
  ["EvacuationDryRun", EvacuationDryRun, "The plan of an evacuation that was not recorded"],
  ["MovePage", MovePage, "A page of the VMs of an evacuation"],
  ["Counters", Counters, "How many VMs are in which state; `total` is their sum"],
  ["HostTurn", HostTurn, "One host to be emptied"],
  ["Pause", Pause, "A reason to start nothing, with its author"],
  ["Acting", Acting, "Who does it, and why"],
  ["Approving", Approving, "Which version is approved, and by whom"],
  ["PlanDocument", PlanDocument, "A plan: moves with their times, and why VMs stay"],
  ["PlanVersion", PlanVersion, "One version of a plan; it never changes"],

  ["ScheduleId", ScheduleId, "`sch_` and a ULID"],
  ["Schedule", Schedule, "When hosts are emptied, and which"],
  ["ScheduleRequest", ScheduleRequest, "A schedule to create"],
  ["ScheduleChange", ScheduleChange, "What to change of a schedule; what is absent stays"],
  ["SchedulePage", SchedulePage, "A page of schedules"],
  ["SchedulePreview", SchedulePreview, "What a schedule would do with the fleet as it is now"],
  ["ScheduleDryRun", ScheduleDryRun, "A schedule that was not recorded"],
  ["StartTimes", StartTimes, "When it starts, by the clocks of a zone"],
  ["HostSelector", HostSelector, "Which hosts: by name, labels, and what they need"],
  ["OccurrenceView", OccurrenceView, "A window of a schedule"],
  ["OccurrenceRun", OccurrenceRun, "What became of a window that was opened"],
  ["MissedWindows", MissedWindows, "Windows that nobody opened"],
  ["ChangeFreezeId", ChangeFreezeId, "`frz_` and a ULID"],
  ["ChangeFreeze", ChangeFreeze, "A period in which nothing starts"],
  ["ChangeFreezeView", ChangeFreezeView, "A change freeze, with its instants"],
  ["ChangeFreezes", ChangeFreezes, "All change freezes"],

  ["Problem", ProblemBody, "Why a request was refused (RFC 9457); `code` is for programs"],
  ["FieldError", FieldError, "One field at fault: its rule, and the value that was received"],
  ["Health", Health, "The API works"],
  ["OpenApiDocument", OpenApiDocument, "An OpenAPI 3.1 document"],
];

// The library's own `.openapi(name)` returns a copy of the schema, which the schemas that contain the
// original do not know. The names are registered for the schemas themselves.
for (const [refId, schema, description] of namedSchemas) {
  zodToOpenAPIRegistry.add(schema, { _internal: { refId }, description });
}

// A stored definition is one that was accepted: the same fields.
zodToOpenAPIRegistry.add(DefinitionParts, {
  _internal: { refId: "VmDefinition" },
  description: "What a guest is made of; it means the same on every host",
});

// Any JSON value is a schema that contains itself; its OpenAPI form is written here instead.
zodToOpenAPIRegistry.add(qapiObject, {
  _internal: { refId: "QapiObject" },
  description: "A QAPI object that QEMU gets as JSON; its members are any JSON",
  type: "object",
  additionalProperties: true,
});
