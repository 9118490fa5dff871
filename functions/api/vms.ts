import { createRoute, z } from "@hono/zod-openapi";
import { HostId, VmId } from "../../core/id.ts";
import { Migration } from "../../core/migration/migration.ts";
import { Vm, VmDefinition } from "../../core/vm.ts";
import { Problem } from "../http/problem.ts";
import { requireStorable } from "../http/storable.ts";
import { publicMigration } from "../store/migration-record.ts";
import { findVm, listVms, publicVm } from "../store/vms.ts";
import { reconcileVm } from "./reconcile-vm.ts";
import { answer, body, limit, pick, routes } from "./routing.ts";
import { startVm, stopVm } from "./vm-commands.ts";

const NewVm = z.strictObject({
  id: VmId,
  host: HostId,
  definition: VmDefinition,
  /** The guest runs already: its QEMU is taken over by this QMP socket. */
  adopt: z.strictObject({ qmpPath: z.string().startsWith("/").max(107) }).optional(),
});

const create = createRoute({
  method: "post",
  path: "/v1/vms",
  summary: "Defines a VM and starts it on a host, or adopts one that runs there",
  request: body(NewVm),
  responses: { 202: answer("The VM, starting", Vm), ...pick(401, 404, 409, 413, 422, 503) },
});

const list = createRoute({
  method: "get",
  path: "/v1/vms",
  summary: "Lists VMs by name",
  request: { query: z.strictObject({ limit, after: VmId.optional() }) },
  responses: {
    200: answer(
      "A page of VMs",
      z.strictObject({ items: z.array(Vm), next: z.string().optional() }),
    ),
    ...pick(401, 422),
  },
});

const get = createRoute({
  method: "get",
  path: "/v1/vms/{id}",
  summary: "Shows a VM",
  request: { params: z.strictObject({ id: VmId }) },
  responses: { 200: answer("The VM", Vm), ...pick(401, 404, 422) },
});

const remove = createRoute({
  method: "delete",
  path: "/v1/vms/{id}",
  summary: "Stops a guest; of one that has ended, removes the record",
  request: {
    params: z.strictObject({ id: VmId }),
    query: z.strictObject({
      /** `powerdown` asks the guest, `quit` ends QEMU at once. */
      mode: z.enum(["powerdown", "quit"]).default("powerdown"),
    }),
  },
  responses: {
    202: answer("The guest was asked to stop", Vm),
    204: { description: "The record is gone" },
    ...pick(401, 404, 409, 422, 503),
  },
});

const reconcile = createRoute({
  method: "post",
  path: "/v1/vms/{id}/reconcile",
  summary: "Looks again into a VM of which nobody knows where it runs",
  request: { params: z.strictObject({ id: VmId }) },
  responses: {
    202: answer("Its migration, being looked into", Migration),
    ...pick(401, 404, 409, 422, 503),
  },
});

export const vms = routes()
  .openapi(create, async (context) => {
    const wanted = context.req.valid("json");
    requireStorable(wanted);
    return context.json(publicVm(await startVm(wanted)), 202);
  })
  .openapi(list, async (context) => context.json(await listVms(context.req.valid("query")), 200))
  .openapi(get, async (context) => {
    const { id } = context.req.valid("param");
    const vm = await findVm(id);
    if (vm === undefined) throw new Problem(404, "vm-not-found", `There is no VM ${id}`);
    return context.json(publicVm(vm), 200);
  })
  .openapi(reconcile, async (context) =>
    context.json(publicMigration(await reconcileVm(context.req.valid("param").id)), 202),
  )
  .openapi(remove, async (context) => {
    const stopping = await stopVm(context.req.valid("param").id, context.req.valid("query").mode);
    return stopping === undefined ? context.body(null, 204) : context.json(publicVm(stopping), 202);
  });
