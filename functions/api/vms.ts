import { createRoute, z } from "@hono/zod-openapi";
import { VmId } from "../../core/id.ts";
import { Migration } from "../../core/migration/migration.ts";
import { Placement } from "../../core/plan/placement.ts";
import { Vm } from "../../core/vm.ts";
import { explainPlacement } from "../service/explain-placement.ts";
import { reconcileVm } from "../service/reconcile-vm.ts";
import { requireVm } from "../service/require-vm.ts";
import { startVm, stopVm } from "../service/vm-commands.ts";
import { publicMigration } from "../store/migration-record.ts";
import { listVms, publicVm } from "../store/vms.ts";
import { NewVm, VmPage } from "./components.ts";
import { migrationExamples } from "./examples/migrations.ts";
import { vmExamples } from "./examples/vms.ts";
import {
  answer,
  body,
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
    "over a QEMU that runs already, by its QMP socket. The VM is `starting` until the agent answers.",
  request: body(NewVm, vmExamples.newVm),
  responses: {
    202: answer("The VM, starting", Vm, vmExamples.starting),
    ...refusals(
      SEND,
      "host-not-found",
      ...HOST_STATES,
      "host-full",
      "vm-exists",
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
        .enum(["powerdown", "quit"])
        .default("powerdown")
        .openapi({ description: "`powerdown` asks the guest, `quit` ends QEMU at once" }),
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
      "host-unreachable",
    ),
  },
});

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
    const wanted = context.req.valid("json");
    return context.json(publicVm(await startVm(wanted)), 202);
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
    const stopping = await stopVm(context.req.valid("param").id, context.req.valid("query").mode);
    return stopping === undefined ? context.body(null, 204) : context.json(publicVm(stopping), 202);
  });
