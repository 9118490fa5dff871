import * as z from "zod";
import { changeMedium, plugDevice, unplugDevice } from "../../core/definition/parts-change.ts";
import { PartId } from "../../core/definition/values.ts";
import { VmId } from "../../core/id.ts";
import { Vm } from "../../core/vm.ts";
import { changeVm } from "../service/change-vm.ts";
import { publicVm } from "../store/vms.ts";
import { MediumChange, NewDevice } from "./bodies/vms.ts";
import { vmExamples } from "./examples/vms.ts";
import { answer, body, createRoute, refusals, routes, SEND, WRITE } from "./routing.ts";
import { ON_GUEST } from "./vms.ts";

const tags = ["VMs"];

const HOW =
  "The host does it by QMP, starts a QEMU of the new definition beside the guest, compares the two, " +
  "and only then answers; the definition follows. Refused while a migration holds the VM. Repeated, " +
  "it does what is left to do.";

const byId = { params: z.strictObject({ id: VmId }) };
/** `device` is its `id` in the definition. */
const ofDevice = { params: z.strictObject({ id: VmId, device: PartId }) };

const isForced = z
  .enum(["true", "false"])
  .default("false")
  .meta({ param: { description: "Open the tray also if the guest has locked it" } });

const plug = createRoute({
  method: "post",
  path: "/v1/vms/{id}/devices",
  operationId: "plugDevice",
  tags,
  summary: "Plug a device into a guest that runs",
  description: `With the block devices, networks and objects that it needs. ${HOW}`,
  request: { ...byId, ...body(NewDevice, vmExamples.newDevice) },
  responses: {
    200: answer("The VM, with the definition", Vm, vmExamples.running),
    ...refusals(SEND, "vm-changed", ...ON_GUEST),
  },
});

const unplug = createRoute({
  method: "delete",
  path: "/v1/vms/{id}/devices/{device}",
  operationId: "unplugDevice",
  tags,
  summary: "Unplug a device from a guest that runs",
  description:
    "With the parts that only it uses. The guest must release the device; one that does not within " +
    `8 s refuses the request, which may be repeated. ${HOW}`,
  request: ofDevice,
  responses: {
    200: answer("The VM, with the definition", Vm, vmExamples.running),
    ...refusals(WRITE, "vm-changed", "device-not-found", ...ON_GUEST),
  },
});

const insert = createRoute({
  method: "put",
  path: "/v1/vms/{id}/devices/{device}/medium",
  operationId: "insertMedium",
  tags,
  summary: "Put a medium into a drive of a guest that runs",
  description: `The medium that is in it goes. ${HOW}`,
  request: { ...ofDevice, ...body(MediumChange, vmExamples.medium) },
  responses: {
    200: answer("The VM, with the definition", Vm, vmExamples.running),
    ...refusals(SEND, "vm-changed", "device-not-found", ...ON_GUEST),
  },
});

const eject = createRoute({
  method: "delete",
  path: "/v1/vms/{id}/devices/{device}/medium",
  operationId: "ejectMedium",
  tags,
  summary: "Take the medium out of a drive of a guest that runs",
  description: HOW,
  request: { ...ofDevice, query: z.strictObject({ force: isForced }) },
  responses: {
    200: answer("The VM, with the definition", Vm, vmExamples.running),
    ...refusals(WRITE, "vm-changed", "device-not-found", ...ON_GUEST),
  },
});

export const vmDevices = routes()
  .openapi(plug, async (context) => {
    const { id } = context.req.valid("param");
    const { acceptDifferences, ...parts } = context.req.valid("json");
    const vm = await changeVm(id, (definition) => plugDevice(definition, parts), {
      acceptDifferences,
    });
    return context.json(publicVm(vm), 200);
  })
  .openapi(unplug, async (context) => {
    const { id, device } = context.req.valid("param");
    return context.json(publicVm(await changeVm(id, (one) => unplugDevice(one, device))), 200);
  })
  .openapi(insert, async (context) => {
    const { id, device } = context.req.valid("param");
    const { blockdev, ...options } = context.req.valid("json");
    const vm = await changeVm(id, (one) => changeMedium(one, device, blockdev), options);
    return context.json(publicVm(vm), 200);
  })
  .openapi(eject, async (context) => {
    const { id, device } = context.req.valid("param");
    const force = context.req.valid("query").force === "true";
    const change = (one: Parameters<typeof changeMedium>[0]) =>
      changeMedium(one, device, undefined);
    return context.json(publicVm(await changeVm(id, change, { force })), 200);
  });
