import { zodToOpenAPIRegistry } from "@asteasolutions/zod-to-openapi";
import type * as z from "zod";
import { AuditEntry } from "../../core/audit.ts";
import { ClimbedRung, Convergence, LadderName } from "../../core/convergence/ladder.ts";
import { StallRule } from "../../core/convergence/stall.ts";
import { DefinitionParts } from "../../core/definition/parts.ts";
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
import { EventPage, FleetEvent } from "../../core/fleet-event/fleet-event.ts";
import { ByWhom, HostCordon } from "../../core/host/cordon.ts";
import { HostState } from "../../core/host/host-state.ts";
import {
  ChangeFreezeId,
  EvacuationId,
  HostId,
  MigrationId,
  ScheduleId,
  VmId,
  WebhookId,
} from "../../core/id.ts";
import { ImportNote } from "../../core/import/note.ts";
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
import { MachineType, ParameterValue, QemuProbe, QemuVersion } from "../../core/protocol/probe.ts";
import { Proposal } from "../../core/protocol/proposal.ts";
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
import { Tenant, TenantChange } from "../../core/tenant.ts";
import { Vm, VmDefinition } from "../../core/vm.ts";
import { Affinity, Pin } from "../../core/vm-rules.ts";
import {
  CloudEvent,
  Delivery,
  DeliveryTry,
  NewWebhook,
  Webhook,
  WebhookChange,
  WebhookWithSecret,
} from "../../core/webhook/webhook.ts";
import { FieldError } from "../http/field-error.ts";
import { ProblemBody } from "../http/problem.ts";
import { Health, OpenApiDocument } from "./bodies/api.ts";
import { AuditPage } from "./bodies/audit.ts";
import {
  Acting,
  Approving,
  EvacuationDryRun,
  EvacuationPage,
  MovePage,
  PlanDocument,
  PlanVersion,
} from "./bodies/evacuations.ts";
import { Fleet } from "./bodies/fleet.ts";
import {
  ConfirmedDown,
  CreatedHost,
  HostPage,
  HostRequest,
  IssuedJoinToken,
  JoinTokenRequest,
  NewHost,
  UncordonedHost,
} from "./bodies/hosts.ts";
import {
  BandwidthLimit,
  DryRun,
  MigrationPage,
  NewMigration,
  SamplePage,
  Timeline,
} from "./bodies/migrations.ts";
import { ChangeFreezes, ScheduleDryRun, SchedulePage } from "./bodies/schedules.ts";
import { TenantPage } from "./bodies/tenants.ts";
import {
  Imported,
  MediumChange,
  NewDevice,
  NewImport,
  NewVm,
  VmChange,
  VmPage,
} from "./bodies/vms.ts";
import { DeliveryPage, WebhookList } from "./bodies/webhooks.ts";

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
  ["Tenant", Tenant, "Whose VMs they are: its limit, and the migrations of its VMs"],
  ["TenantChange", TenantChange, "What to change of a tenant"],
  ["TenantPage", TenantPage, "A page of tenants"],
  ["FleetEvent", FleetEvent, "Something that has happened to the fleet"],
  ["EventPage", EventPage, "A page of events"],
  ["WebhookId", WebhookId, "`whk_` and a ULID"],
  ["NewWebhook", NewWebhook, "A webhook to add"],
  ["WebhookChange", WebhookChange, "What to change of a webhook; what is absent stays"],
  ["Webhook", Webhook, "Whom events are delivered to"],
  ["WebhookWithSecret", WebhookWithSecret, "A webhook with its secret, which is shown this once"],
  ["WebhookList", WebhookList, "All webhooks"],
  ["Delivery", Delivery, "An event on its way to a webhook"],
  ["DeliveryTry", DeliveryTry, "One try to deliver an event"],
  ["DeliveryPage", DeliveryPage, "A page of deliveries"],
  ["CloudEvent", CloudEvent, "The body of a delivery: CloudEvents 1.0, structured JSON"],
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
  ["Timeline", Timeline, "A page of the timeline of a migration"],
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

/**
 * Gives the schemas their names in the OpenAPI document. The library's own `.openapi(name)` returns a copy
 * of a schema, which the schemas that contain the original do not know.
 */
export function nameSchemas(): void {
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
}
