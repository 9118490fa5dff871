import type { InferRequestType } from "hono/client";
import { type Acting, type Api, json } from "./api.ts";

type Acknowledging = InferRequestType<
  Api["evacuations"][":id"]["moves"][":vm"]["acknowledge"]["$post"]
>["json"];

type NewEvacuation = InferRequestType<Api["evacuations"]["$post"]>["json"];
type EvacuationPage = InferRequestType<Api["evacuations"]["$get"]>["query"];
type EvacuationLimits = InferRequestType<Api["evacuations"][":id"]["$patch"]>["json"];

export function evacuationOperations({ evacuations }: Api) {
  const one = evacuations[":id"];
  const request = (evacuation: NewEvacuation, dryRun: "true" | "false", key?: string) =>
    evacuations.$post({
      json: evacuation,
      query: { dryRun },
      header: key === undefined ? {} : { "idempotency-key": key },
    });
  return {
    createEvacuation: async (evacuation: NewEvacuation, idempotencyKey?: string) => {
      const answer = await request(evacuation, "false", idempotencyKey);
      if (answer.status !== 201) throw new Error(`Expected status 201, got ${answer.status}`);
      return answer.json();
    },
    /** `createEvacuation` with `dryRun=true`. */
    dryRunEvacuation: async (evacuation: NewEvacuation) => {
      const answer = await request(evacuation, "true");
      if (answer.status !== 200) throw new Error(`Expected status 200, got ${answer.status}`);
      return answer.json();
    },
    listEvacuations: (query: EvacuationPage = {}) => json(evacuations.$get({ query })),
    getEvacuation: (id: string) => json(one.$get({ param: { id } })),
    getEvacuationPlan: (id: string, version: number) =>
      json(one.plans[":version"].$get({ param: { id, version: String(version) } })),
    listEvacuationMoves: (id: string, query: EvacuationPage = {}) =>
      json(one.moves.$get({ param: { id }, query })),
    setEvacuationLimits: (id: string, limits: EvacuationLimits) =>
      json(one.$patch({ param: { id }, json: limits })),
    approveEvacuation: (id: string, version: number, by?: string) =>
      json(
        one.approve.$post({
          param: { id },
          json: { version, ...(by === undefined ? {} : { by }) },
        }),
      ),
    rejectEvacuation: (id: string, by: Acting = {}) =>
      json(one.reject.$post({ param: { id }, json: by })),
    pauseEvacuation: (id: string, by: Acting = {}) =>
      json(one.pause.$post({ param: { id }, json: by })),
    resumeEvacuation: (id: string, by: Acting = {}) =>
      json(one.resume.$post({ param: { id }, json: by })),
    cancelEvacuation: (id: string, by: Acting = {}) =>
      json(one.cancel.$post({ param: { id }, json: by })),
    getEvacuationRollback: (id: string) => json(one.rollback.$get({ param: { id } })),
    rollBackEvacuation: (id: string, by: Acting = {}) =>
      json(one.rollback.$post({ param: { id }, json: by })),
    skipEvacuationVm: (id: string, vm: string, by: Acting = {}) =>
      json(one.moves[":vm"].skip.$post({ param: { id, vm }, json: by })),
    retryEvacuationVm: (id: string, vm: string, by: Acting = {}) =>
      json(one.moves[":vm"].retry.$post({ param: { id, vm }, json: by })),
    acknowledgeEvacuationVm: (id: string, vm: string, by: Acknowledging = {}) =>
      json(one.moves[":vm"].acknowledge.$post({ param: { id, vm }, json: by })),
  };
}
