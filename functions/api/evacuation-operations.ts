import * as z from "zod";
import { Evacuation, EvacuationMove } from "../../core/evacuation/evacuation.ts";
import { EvacuationLimits, EvacuationRequest } from "../../core/evacuation/request.ts";
import { EvacuationId, VmId } from "../../core/id.ts";
import type { ProblemCode } from "../http/problem-codes.ts";
import {
  Acknowledging,
  Acting,
  Approving,
  EvacuationDryRun,
  EvacuationPage,
  MovePage,
  PlanVersion,
  RollbackPlan,
} from "./bodies/evacuations.ts";
import { evacuationExamples as examples } from "./examples/evacuations.ts";
import { answer, body, createRoute, pageQuery, READ, refusals, SEND } from "./routing.ts";

const tags = ["Evacuations"];
const params = z.strictObject({ id: EvacuationId });
const byId = { params };
const byVm = { params: params.extend({ vm: VmId }) };

export const create = createRoute({
  method: "post",
  path: "/v1/evacuations",
  operationId: "createEvacuation",
  tags,
  summary: "Plan the evacuation of hosts",
  description:
    "Only plans: nothing moves before `approveEvacuation`. With `dryRun=true` nothing is recorded, " +
    "and the answer is 200 with an `EvacuationDryRun`.",
  request: {
    ...body(EvacuationRequest, examples.request),
    query: z.strictObject({
      dryRun: z
        .enum(["true", "false"])
        .default("false")
        .meta({ description: "Only show the plan" }),
    }),
    headers: z.object({
      "idempotency-key": z
        .string()
        .regex(/^[\x21-\x7e]{1,200}$/, "expected 1 to 200 visible ASCII characters")
        .optional()
        .meta({
          description:
            "The same key with the same body is the same evacuation. The answer to a repeated " +
            "request has the header `idempotency-replayed: true`.",
        }),
    }),
  },
  responses: {
    200: answer("The plan of a dry run", EvacuationDryRun, examples.dryRun),
    201: {
      ...answer("The evacuation, planned", Evacuation, examples.planned),
      headers: z.object({
        location: z.string().meta({ description: "Path of the evacuation" }),
        "idempotency-replayed": z.literal("true").optional(),
      }),
    },
    ...refusals(
      SEND,
      "blast-radius",
      "host-not-found",
      "fleet-too-large",
      "plan-too-long",
      "idempotency-key-reused",
    ),
  },
});

export const list = createRoute({
  method: "get",
  path: "/v1/evacuations",
  operationId: "listEvacuations",
  tags,
  summary: "List evacuations, newest first",
  request: { query: z.strictObject(pageQuery(EvacuationId)) },
  responses: {
    200: answer("A page of evacuations", EvacuationPage, examples.page),
    ...refusals(READ),
  },
});

export const get = createRoute({
  method: "get",
  path: "/v1/evacuations/{id}",
  operationId: "getEvacuation",
  tags,
  summary: "Show an evacuation",
  request: byId,
  responses: {
    200: answer("The evacuation", Evacuation, examples.running),
    ...refusals(READ, "evacuation-not-found"),
  },
});

export const getPlan = createRoute({
  method: "get",
  path: "/v1/evacuations/{id}/plans/{version}",
  operationId: "getEvacuationPlan",
  tags,
  summary: "Show one version of the plan",
  request: { params: params.extend({ version: z.coerce.number().int().min(1) }) },
  responses: {
    200: answer("The version", PlanVersion, examples.plan),
    ...refusals(READ, "evacuation-not-found", "plan-not-found"),
  },
});

export const listMoves = createRoute({
  method: "get",
  path: "/v1/evacuations/{id}/moves",
  operationId: "listEvacuationMoves",
  tags,
  summary: "List the VMs of an evacuation by name",
  description: "Empty until the evacuation runs: before, the plan has them.",
  request: { ...byId, query: z.strictObject(pageQuery(VmId)) },
  responses: {
    200: answer("A page of VMs", MovePage, examples.moves),
    ...refusals(READ, "evacuation-not-found"),
  },
});

export const setLimits = createRoute({
  method: "patch",
  path: "/v1/evacuations/{id}",
  operationId: "setEvacuationLimits",
  tags,
  summary: "Change the limits of an evacuation",
  description: "Holds from the next start on; what is absent stays.",
  request: { ...byId, ...body(EvacuationLimits, examples.limits) },
  responses: {
    200: answer("The evacuation", Evacuation, examples.running),
    ...refusals(SEND, "evacuation-not-found", "evacuation-over", "workflow-unavailable"),
  },
});

export const approve = createRoute({
  method: "post",
  path: "/v1/evacuations/{id}/approve",
  operationId: "approveEvacuation",
  tags,
  summary: "Approve a version of the plan",
  description:
    "With enough approvals of one version the evacuation starts. If the fleet has changed so that " +
    "another plan is right, nothing is approved, and the refusal names the newer version.",
  request: { ...byId, ...body(Approving, examples.approving) },
  responses: {
    202: answer("The evacuation", Evacuation, examples.approved),
    ...refusals(
      SEND,
      "blast-radius",
      "evacuation-not-found",
      "plan-not-found",
      "plan-changed",
      "plan-refused",
      "approver-is-planner",
      "approval-expired",
      "evacuation-over",
      "evacuation-not-planned",
      "host-not-found",
      "fleet-too-large",
      "plan-too-long",
      "workflow-unavailable",
    ),
  },
});

/** An operation that says who does it, and answers with the evacuation. */
function action<const Name extends string, const Id extends string>(
  name: Name,
  operationId: Id,
  about: { summary: string; description: string; codes: readonly ProblemCode[] },
) {
  const { summary, description, codes } = about;
  return createRoute({
    method: "post",
    path: `/v1/evacuations/{id}/${name}`,
    operationId,
    tags,
    summary,
    description,
    request: { ...byId, ...body(Acting, examples.acting) },
    responses: {
      202: answer("The evacuation", Evacuation, examples.paused),
      ...refusals(SEND, "evacuation-not-found", ...codes),
    },
  });
}

export const reject = action("reject", "rejectEvacuation", {
  summary: "Reject a planned evacuation, or an offered version",
  description:
    "Nobody can approve it any more. A version that is offered while another one is carried out is " +
    "only taken back.",
  codes: ["evacuation-not-planned"],
});

export const pause = action("pause", "pauseEvacuation", {
  summary: "Pause an evacuation",
  description:
    "Nothing starts from now on; transfers in flight go on. Each person has a pause of his own.",
  codes: ["evacuation-over", "evacuation-not-running", "too-many-pauses"],
});

export const resume = action("resume", "resumeEvacuation", {
  summary: "Resume an evacuation",
  description:
    "Ends the pauses of persons and that of the error budget. It runs again when it has no other.",
  codes: ["evacuation-over", "workflow-unavailable"],
});

export const cancel = action("cancel", "cancelEvacuation", {
  summary: "Cancel an evacuation",
  description: "Transfers in flight end, nothing else starts, and what has moved stays.",
  codes: ["evacuation-over", "evacuation-not-running", "workflow-unavailable"],
});

export const rollback = action("rollback", "rollBackEvacuation", {
  summary: "Roll an evacuation back",
  description: "Moves back what has moved, as soon as its old host has room.",
  codes: ["nothing-to-roll-back", "workflow-unavailable"],
});

export const getRollback = createRoute({
  method: "get",
  path: "/v1/evacuations/{id}/rollback",
  operationId: "getEvacuationRollback",
  tags,
  summary: "What a rollback would do",
  description:
    "The plan of a rollback that begins now: which VMs go home, when, and why others stay. Nothing " +
    "moves before `rollBackEvacuation`. VMs in transfer are not in it.",
  request: byId,
  responses: {
    200: answer("The plan of a rollback", RollbackPlan, examples.rollbackPlan),
    ...refusals(READ, "evacuation-not-found", "fleet-too-large"),
  },
});

const onVmCodes = [
  "evacuation-not-found",
  "evacuation-not-running",
  "move-not-found",
  "move-over",
  "vm-changed",
  "workflow-unavailable",
] as const satisfies readonly ProblemCode[];

/** An operation on one VM of an evacuation. */
function onVm<const Name extends string, const Id extends string>(
  name: Name,
  operationId: Id,
  about: { summary: string; description: string; codes: readonly ProblemCode[] },
) {
  const { summary, description, codes } = about;
  return createRoute({
    method: "post",
    path: `/v1/evacuations/{id}/moves/{vm}/${name}`,
    operationId,
    tags,
    summary,
    description,
    request: { ...byVm, ...body(Acting, examples.acting) },
    responses: {
      202: answer("The VM's part", EvacuationMove, examples.move),
      ...refusals(SEND, ...onVmCodes, ...codes),
    },
  });
}

export const skip = onVm("skip", "skipEvacuationVm", {
  summary: "Leave a VM where it is",
  description: "The evacuation goes on without it.",
  codes: ["move-in-flight"],
});

export const retry = onVm("retry", "retryEvacuationVm", {
  summary: "Try a VM again",
  description:
    "For one that stays, has failed or was skipped: a new version of the plan finds it a place.",
  codes: [],
});

export const acknowledge = createRoute({
  method: "post",
  path: "/v1/evacuations/{id}/moves/{vm}/acknowledge",
  operationId: "acknowledgeEvacuationVm",
  tags,
  summary: "Acknowledge the move of a VM, as its owner",
  description:
    "The VM waits no more, or until `notBefore`. One that was held back is given a place again while " +
    "the evacuation runs. Repeated, it changes nothing.",
  request: { ...byVm, ...body(Acknowledging, examples.acknowledging) },
  responses: {
    202: answer("The VM's part", EvacuationMove, examples.noticed),
    ...refusals(SEND, "no-notice", ...onVmCodes),
  },
});
