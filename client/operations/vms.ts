import type { InferRequestType } from "hono/client";
import { type Api, json, type Page } from "./api.ts";

type NewVm = InferRequestType<Api["vms"]["$post"]>["json"];
type VmChange = InferRequestType<Api["vms"][":id"]["$patch"]>["json"];
type Devices = Api["vms"][":id"]["devices"];
type NewDevice = InferRequestType<Devices["$post"]>["json"];
type MediumChange = InferRequestType<Devices[":device"]["medium"]["$put"]>["json"];
type EjectQuery = InferRequestType<Devices[":device"]["medium"]["$delete"]>["query"];
type StopMode = InferRequestType<Api["vms"][":id"]["$delete"]>["query"];

export function vmOperations({ vms }: Api) {
  return {
    createVm: async (vm: NewVm) => {
      const answer = await vms.$post({ json: vm });
      if (answer.status !== 202) throw new Error(`Expected status 202, got ${answer.status}`);
      return answer.json();
    },
    /** `createVm` with the definition `discover`: nothing is adopted. */
    discoverVm: async (vm: Omit<NewVm, "definition">) => {
      const answer = await vms.$post({ json: { ...vm, definition: "discover" } });
      if (answer.status !== 200) throw new Error(`Expected status 200, got ${answer.status}`);
      return answer.json();
    },
    listVms: (query: Page = {}) => json(vms.$get({ query })),
    getVm: (id: string) => json(vms[":id"].$get({ param: { id } })),
    defineVm: (id: string, change: VmChange) =>
      json(vms[":id"].$patch({ param: { id }, json: change })),
    plugDevice: (id: string, newDevice: NewDevice) =>
      json(vms[":id"].devices.$post({ param: { id }, json: newDevice })),
    unplugDevice: (id: string, device: string) =>
      json(vms[":id"].devices[":device"].$delete({ param: { id, device } })),
    insertMedium: (id: string, device: string, medium: MediumChange) =>
      json(vms[":id"].devices[":device"].medium.$put({ param: { id, device }, json: medium })),
    ejectMedium: (id: string, device: string, query: EjectQuery = {}) =>
      json(vms[":id"].devices[":device"].medium.$delete({ param: { id, device }, query })),
    pauseVm: (id: string) => json(vms[":id"].pause.$post({ param: { id } })),
    resumeVm: (id: string) => json(vms[":id"].resume.$post({ param: { id } })),
    resetVm: (id: string) => json(vms[":id"].reset.$post({ param: { id } })),
    powerdownVm: (id: string) => json(vms[":id"].powerdown.$post({ param: { id } })),
    getPlacement: (id: string) => json(vms[":id"].placement.$get({ param: { id } })),
    reconcileVm: (id: string) => json(vms[":id"].reconcile.$post({ param: { id } })),
    /** The VM, which was asked to stop; undefined when its record was removed. */
    deleteVm: async (id: string, query: StopMode = {}) => {
      const answer = await vms[":id"].$delete({ param: { id }, query });
      return answer.status === 204 ? undefined : answer.json();
    },
  };
}
