import type { InferRequestType } from "hono/client";
import { type Api, json, type Page } from "./api.ts";

type NewHost = InferRequestType<Api["hosts"]["$post"]>["json"];
type HostChange = InferRequestType<Api["hosts"][":id"]["$patch"]>["json"];
type HostRequest = InferRequestType<Api["hosts"][":id"]["cordon"]["$post"]>["json"];
type JoinTokenWish = InferRequestType<Api["hosts"][":id"]["join-token"]["$post"]>["json"];

export function hostOperations({ hosts }: Api) {
  return {
    createHost: (host: NewHost) => json(hosts.$post({ json: host })),
    listHosts: (query: Page = {}) => json(hosts.$get({ query })),
    getHost: (id: string) => json(hosts[":id"].$get({ param: { id } })),
    listGuests: (id: string) => json(hosts[":id"].guests.$get({ param: { id } })),
    changeHost: (id: string, change: HostChange) =>
      json(hosts[":id"].$patch({ param: { id }, json: change })),
    cordonHost: (id: string, by: HostRequest = {}) =>
      json(hosts[":id"].cordon.$post({ param: { id }, json: by })),
    uncordonHost: (id: string, by: HostRequest = {}) =>
      json(hosts[":id"].uncordon.$post({ param: { id }, json: by })),
    maintainHost: (id: string, by: HostRequest = {}) =>
      json(hosts[":id"].maintenance.$post({ param: { id }, json: by })),
    confirmHostDown: (id: string, by: HostRequest = {}) =>
      json(hosts[":id"]["confirm-down"].$post({ param: { id }, json: by })),
    returnHost: (id: string) => json(hosts[":id"].return.$post({ param: { id } })),
    issueJoinToken: (id: string, wish: JoinTokenWish = {}) =>
      json(hosts[":id"]["join-token"].$post({ param: { id }, json: wish })),
    rotateHostKey: (id: string) => json(hosts[":id"]["rotate-key"].$post({ param: { id } })),
    revokeHostKey: (id: string) => json(hosts[":id"]["revoke-key"].$post({ param: { id } })),
    retireHost: (id: string, by: HostRequest = {}) =>
      json(hosts[":id"].retire.$post({ param: { id }, json: by })),
  };
}
