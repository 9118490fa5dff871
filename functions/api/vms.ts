import * as z from "zod";
import { VmId } from "../../core/id.ts";
import { Migration } from "../../core/migration/migration.ts";
import { Placement } from "../../core/plan/placement.ts";
import type { GuestAction } from "../../core/protocol/command.ts";
import { Proposal } from "../../core/protocol/proposal.ts";
import { Vm } from "../../core/vm.ts";
import { refuseFields } from "../http/invalid.ts";
import type { ProblemCode } from "../http/problem-codes.ts";
import { changeVmRules } from "../service/change-vm-rules.ts";
import { controlVm } from "../service/control-vm.ts";
import { defineVm } from "../service/define-vm.ts";
import { detachVm } from "../service/detach-vm.ts";
import { discoverVm } from "../service/discover-vm.ts";
import { explainPlacement } from "../service/explain-placement.ts";
import { reconcileVm } from "../service/reconcile-vm.ts";
import { requireVm } from "../service/require-vm.ts";
import { startVm, stopVm } from "../service/vm-commands.ts";
import { publicMigration } from "../store/migration-record.ts";
import { listVms, publicVm } from "../store/vms.ts";
import { NewVm, VmChange, VmPage } from "./bodies/vms.ts";
import { migrationExamples } from "./examples/migrations.ts";
import { vmExamples } from "./examples/vms.ts";
import {
  answer,
  body,
  createRoute,
  HOST_STATES,
  pageQuery,
  READ,
  refusals,
  routes,
  SEND,
  WRITE,
} from "./routing.ts";

const tags = ["VMs"];
const byId = { params: z.strictObject({ id: VmId }) };

const create = createRoute({
  method: "post",
  path: "/v1/vms",
  operationId: "createVm",
  tags,
  summary: "Start a VM on a host, or adopt one that runs there",
  description:
    "Reserves the memory of the VM on the host and sends the command. With `adopt` the agent takes " +
    "over a QEMU that runs already, by its QMP socket. The VM is `starting` until the agent answers. " +
    "With `adopt` and the definition `discover` nothing is created: the agent proposes a definition, " +
    "and an adoption that names its digest confirms it.",
  request: body(NewVm, vmExamples.newVm),
  responses: {
    200: answer("A proposal: what the guest's definition is", Proposal, vmExamples.proposal),
    202: answer("The VM, starting", Vm, vmExamples.starting),
    ...refusals(
      SEND,
      "host-not-found",
      ...HOST_STATES,
      "host-full",
      "label-missing",
      "anti-affinity",
      "vm-exists",
      "host-refused",
      "host-silent",
      "host-unreachable",
    ),
  },
});

const list = createRoute({
  method: "get",
  path: "/v1/vms",
  operationId: "listVms",
  tags,
  summary: "List VMs by name",
  request: { query: z.strictObject(pageQuery(VmId)) },
  responses: {
    200: answer("A page of VMs", VmPage, vmExamples.page),
    ...refusals(READ),
  },
});

const get = createRoute({
  method: "get",
  path: "/v1/vms/{id}",
  operationId: "getVm",
  tags,
  summary: "Show a VM",
  request: byId,
  responses: {
    200: answer("The VM", Vm, vmExamples.running),
    ...refusals(READ, "vm-not-found"),
  },
});

const placement = createRoute({
  method: "get",
  path: "/v1/vms/{id}/placement",
  operationId: "getPlacement",
  tags,
  summary: "Explain where a VM could go",
  description:
    "Host by host, by the rules of plans and of negotiation: which hosts would take the VM now, and " +
    "every reason of each other one, with what would help. Reads the records of the whole fleet; a " +
    "dry run of a migration asks both hosts themselves.",
  request: byId,
  responses: {
    200: answer(
      "Hosts that would take it, and reasons of the others",
      Placement,
      vmExamples.placement,
    ),
    ...refusals(READ, "vm-not-found", "vm-not-running", "fleet-too-large"),
  },
});

const remove = createRoute({
  method: "delete",
  path: "/v1/vms/{id}",
  operationId: "deleteVm",
  tags,
  summary: "Stop a guest, or remove the record of a VM that has ended",
  description:
    "Of a VM with a QEMU process: asks the guest to stop; ask again as often as it takes. Of one " +
    "whose process has ended: removes the record.",
  request: {
    ...byId,
    query: z.strictObject({
      mode: z
        .enum(["powerdown", "quit", "detach"])
        .default("powerdown")
        .meta({
          description:
            "`powerdown` asks the guest, `quit` ends QEMU at once, `detach` gives the guest back: its " +
            "QEMU runs on, and the record is removed",
        }),
    }),
  },
  responses: {
    202: answer("The guest was asked to stop", Vm, vmExamples.running),
    204: { description: "The record is removed" },
    ...refusals(
      [...READ, "body-too-large"],
      "vm-not-found",
      "vm-locked",
      "vm-unknown",
      "vm-changed",
      "vm-without-guest",
      "host-not-active",
      "host-refused",
      "host-silent",
      "host-unreachable",
    ),
  },
});

/** What an operation on a guest that runs may be refused with. */
export const ON_GUEST: readonly ProblemCode[] = [
  "vm-not-found",
  "vm-locked",
  "vm-unknown",
  "vm-without-guest",
  "host-not-active",
  "host-refused",
  "host-silent",
  "host-unreachable",
];

const define = createRoute({
  method: "patch",
  path: "/v1/vms/{id}",
  operationId: "defineVm",
  tags,
  summary: "Correct the definition of a VM, or change what people say of it",
  description:
    "Labels, tenant, affinities, required and preferred labels, pin: what is absent stays, `null` " +
    "removes; a guest that breaks a rule where it is stays there. With `definition` alone: the host starts a QEMU from the definition beside the guest, compares the two and ends it. A " +
    "difference refuses the definition, unless `acceptDifferences` has its name. The guest is not " +
    "touched: the definition counts for migrations and later starts.",
  request: { ...byId, ...body(VmChange, vmExamples.change) },
  responses: {
    200: answer("The VM, with the definition", Vm, vmExamples.running),
    ...refusals(SEND, "vm-changed", ...ON_GUEST),
  },
});

/** One operation on a guest; the record follows what QEMU reports. */
function control<const Action extends GuestAction>(action: Action, summary: string) {
  return createRoute({
    method: "post",
    path: `/v1/vms/{id}/${action}`,
    operationId: `${action}Vm`,
    tags,
    summary,
    description:
      "Waits until the guest's host has answered. Refused while a migration holds the VM. The state " +
      "in the answer is what QEMU reports.",
    request: byId,
    responses: {
      200: answer("The VM afterwards", Vm, vmExamples.running),
      ...refusals(WRITE, ...ON_GUEST),
    },
  });
}

const pause = control("pause", "Pause a guest");
const resume = control("resume", "Resume a guest that is paused or sleeps");
const reset = control("reset", "Reset a guest, as its reset button does");
const powerdown = control("powerdown", "Press a guest's power button");

const reconcile = createRoute({
  method: "post",
  path: "/v1/vms/{id}/reconcile",
  operationId: "reconcileVm",
  tags,
  summary: "Observe both sides of a VM's migration again",
  description:
    "For a VM that its migration left `unknown`, and for one whose migration has lost its " +
    "execution. The migration is reopened: both sides are observed and the decision table applies " +
    "again. It may end `unknown` again.",
  request: byId,
  responses: {
    202: answer("The reopened migration", Migration, migrationExamples.reopened),
    ...refusals(
      WRITE,
      "vm-not-found",
      "nothing-to-reconcile",
      "vm-changed",
      "workflow-unavailable",
    ),
  },
});

export const vms = routes()
  .openapi(create, async (context) => {
    const { definition, adopt, ...wanted } = context.req.valid("json");
    if (definition !== "discover") {
      return context.json(publicVm(await startVm({ ...wanted, definition, adopt })), 202);
    }
    if (adopt !== undefined && adopt.digest === undefined) {
      return context.json(await discoverVm({ ...wanted, qmpPath: adopt.qmpPath }), 200);
    }
    const field = adopt === undefined ? "adopt" : "adopt.digest";
    const rule = adopt === undefined ? "required with `discover`" : "not with `discover`";
    throw refuseFields([{ field, rule }]);
  })
  .openapi(list, async (context) => context.json(await listVms(context.req.valid("query")), 200))
  .openapi(get, async (context) =>
    context.json(publicVm(await requireVm(context.req.valid("param").id)), 200),
  )
  .openapi(placement, async (context) =>
    context.json(await explainPlacement(context.req.valid("param").id), 200),
  )
  .openapi(reconcile, async (context) =>
    context.json(publicMigration(await reconcileVm(context.req.valid("param").id)), 202),
  )
  .openapi(remove, async (context) => {
    const { id } = context.req.valid("param");
    const { mode } = context.req.valid("query");
    if (mode === "detach") {
      await detachVm(id);
      return context.body(null, 204);
    }
    const stopping = await stopVm(id, mode);
    return stopping === undefined ? context.body(null, 204) : context.json(publicVm(stopping), 202);
  })
  .openapi(define, async (context) => {
    const { id } = context.req.valid("param");
    const { definition, acceptDifferences, ...rules } = context.req.valid("json");
    const vm =
      definition === undefined
        ? await changeVmRules(id, rules)
        : await defineVm(id, { definition, acceptDifferences });
    return context.json(publicVm(vm), 200);
  })
  .openapi(pause, async (context) =>
    context.json(publicVm(await controlVm(context.req.valid("param").id, "pause")), 200),
  )
  .openapi(resume, async (context) =>
    context.json(publicVm(await controlVm(context.req.valid("param").id, "resume")), 200),
  )
  .openapi(reset, async (context) =>
    context.json(publicVm(await controlVm(context.req.valid("param").id, "reset")), 200),
  )
  .openapi(powerdown, async (context) =>
    context.json(publicVm(await controlVm(context.req.valid("param").id, "powerdown")), 200),
  );
