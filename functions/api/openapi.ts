import { OpenApiGeneratorV31 } from "@asteasolutions/zod-to-openapi";
import type * as z from "zod";
import { CloudEvent } from "../../core/webhook/webhook.ts";
import { Problem, problemBody } from "../http/problem.ts";
import { type ProblemCode, problemKinds } from "../http/problem-codes.ts";
import { OpenApiDocument } from "./bodies/api.ts";
import { nameSchemas } from "./components.ts";
import { answer, createRoute, refusals, registry, routingPath } from "./routing.ts";

type Definition = (typeof registry.definitions)[number];
type Document = z.output<typeof OpenApiDocument>;

const INFO = {
  title: "Switchyard",
  version: "1",
  description:
    "Live migration of QEMU/KVM guests. Everything but success is answered as " +
    "`application/problem+json` (RFC 9457) with a `code` for programs. A path that does not exist " +
    "is answered 404 `route-not-found`; a path with another method 405 `method-not-allowed`, with " +
    "the header `allow`. A request without the operator's token is answered 401, whatever its path; one " +
    "whose token does not have the operation's scope 403 `scope-missing`; one of a caller that asks too " +
    "often 429 `too-many-requests`, with the header `retry-after`.",
  license: { name: "Apache-2.0", identifier: "Apache-2.0" },
};

const TAGS = [
  { name: "Migrations", description: "Moving a running VM to another host" },
  { name: "Evacuations", description: "Emptying hosts by a plan that somebody has approved" },
  { name: "Schedules", description: "Emptying hosts in windows, and when nothing may start" },
  { name: "VMs", description: "Starting, adopting and stopping guests" },
  { name: "Hosts", description: "The hosts of the fleet and their agents" },
  { name: "Tenants", description: "How many migrations the VMs of one tenant may have at once" },
  { name: "Events", description: "What has happened to the fleet" },
  { name: "Webhooks", description: "Events are posted to a URL, signed" },
  { name: "Audit", description: "Who has asked for which change" },
  { name: "API", description: "The API itself" },
];

export const getDocument = createRoute({
  method: "get",
  path: "/v1/openapi.json",
  operationId: "getOpenApiDocument",
  tags: ["API"],
  summary: "Show this document",
  description: "Needs no token.",
  security: [],
  responses: {
    200: answer("The OpenAPI document", OpenApiDocument, {
      openapi: "3.1.0",
      info: { title: INFO.title, version: INFO.version },
      paths: {},
    }),
    ...refusals(["internal"]),
  },
});

const delivery: Parameters<typeof registry.registerWebhook>[0] = {
  method: "post",
  path: "event",
  summary: "Receive an event",
  description:
    "Sent to the URL of each webhook that it fits, with the headers of Standard Webhooks.",
  security: [],
  request: {
    body: {
      required: true,
      content: { "application/cloudevents+json": { schema: CloudEvent } },
    },
  },
  responses: { 200: { description: "Taken; any other 2xx says the same" } },
};

/** Writes the OpenAPI document of all operations, in the order of their routes' paths. */
export function documentApi(paths: readonly string[]): Document {
  nameSchemas();
  if (!registry.definitions.some(({ type }) => type === "component")) {
    registry.registerComponent("securitySchemes", "operator", {
      type: "http",
      scheme: "bearer",
      description: "The operator's token; the control plane holds its SHA-256 only.",
    });
    registry.registerWebhook(delivery);
    for (const code of Object.keys(problemKinds) as ProblemCode[]) {
      registry.registerComponent("examples", code, exampleOf(code));
    }
  }
  const document = new OpenApiGeneratorV31(inOrder(paths)).generateDocument({
    openapi: "3.1.0",
    info: INFO,
    servers: [{ url: "/" }],
    security: [{ operator: [] }],
    tags: TAGS,
  });
  return { ...document };
}

function inOrder(paths: readonly string[]): Definition[] {
  const place = (definition: Definition) =>
    definition.type === "route" ? paths.indexOf(routingPath(definition.route.path)) : -1;
  return registry.definitions.toSorted((a, b) => place(a) - place(b));
}

function exampleOf(code: ProblemCode) {
  const { meaning } = problemKinds[code];
  const instance = "/v1/migrations/mig_01M8N1VNDJ2TD7XCBRST3FAP8W";
  return { summary: meaning, value: problemBody(new Problem(code, meaning), instance) };
}
