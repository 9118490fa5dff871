/** What a person may do. Each scope includes those before it. */
export const scopes = ["read", "migrate", "evacuate", "admin"] as const;
export type Scope = (typeof scopes)[number];

/**
 * The scope that each operation needs, by its method and path: checked by the API, and by API Gateway
 * before it (infra/api.ts). Whoever may define VMs or add hosts decides what QEMU does on a host.
 */
export const scopeOf: Readonly<Record<string, Scope>> = {
  "GET /v1/health": "read",
  "GET /v1/openapi.json": "read",
  "GET /metrics": "read",
  "GET /v1/fleet": "read",
  "GET /v1/events": "read",
  "GET /v1/hosts": "read",
  "GET /v1/hosts/{id}": "read",
  "GET /v1/hosts/{id}/guests": "read",
  "GET /v1/vms": "read",
  "GET /v1/vms/{id}": "read",
  "GET /v1/vms/{id}/placement": "read",
  "POST /v1/definitions/import": "read",
  "POST /v1/policies/check": "read",
  "GET /v1/tenants": "read",
  "GET /v1/tenants/{name}": "read",
  "GET /v1/migrations": "read",
  "GET /v1/migrations/{id}": "read",
  "GET /v1/migrations/{id}/timeline": "read",
  "GET /v1/migrations/{id}/samples": "read",
  "GET /v1/evacuations": "read",
  "GET /v1/evacuations/{id}": "read",
  "GET /v1/evacuations/{id}/plans/{version}": "read",
  "GET /v1/evacuations/{id}/rollback": "read",
  "GET /v1/evacuations/{id}/moves": "read",
  "GET /v1/schedules": "read",
  "GET /v1/schedules/{id}": "read",
  "GET /v1/schedules/{id}/preview": "read",
  "GET /v1/change-freezes": "read",

  "POST /v1/migrations": "migrate",
  "PATCH /v1/migrations/{id}": "migrate",
  "POST /v1/migrations/{id}/switchover": "migrate",
  "POST /v1/migrations/{id}/waive-ack": "migrate",
  "POST /v1/migrations/{id}/cancel": "migrate",
  "POST /v1/vms/{id}/reconcile": "migrate",
  "POST /v1/evacuations/{id}/moves/{vm}/acknowledge": "migrate",

  "POST /v1/evacuations": "evacuate",
  "PATCH /v1/evacuations/{id}": "evacuate",
  "POST /v1/evacuations/{id}/approve": "evacuate",
  "POST /v1/evacuations/{id}/reject": "evacuate",
  "POST /v1/evacuations/{id}/pause": "evacuate",
  "POST /v1/evacuations/{id}/resume": "evacuate",
  "POST /v1/evacuations/{id}/cancel": "evacuate",
  "POST /v1/evacuations/{id}/rollback": "evacuate",
  "POST /v1/evacuations/{id}/moves/{vm}/skip": "evacuate",
  "POST /v1/evacuations/{id}/moves/{vm}/retry": "evacuate",
  "POST /v1/schedules": "evacuate",
  "PATCH /v1/schedules/{id}": "evacuate",
  "DELETE /v1/schedules/{id}": "evacuate",
  "POST /v1/schedules/{id}/pause": "evacuate",
  "POST /v1/schedules/{id}/resume": "evacuate",
  "POST /v1/schedules/{id}/run": "evacuate",
  "POST /v1/schedules/{id}/skip": "evacuate",
  "POST /v1/schedules/{id}/unskip": "evacuate",
  "POST /v1/change-freezes": "evacuate",
  "DELETE /v1/change-freezes/{id}": "evacuate",
  "POST /v1/hosts/{id}/cordon": "evacuate",
  "POST /v1/hosts/{id}/uncordon": "evacuate",
  "POST /v1/hosts/{id}/maintenance": "evacuate",
  "POST /v1/hosts/{id}/return": "evacuate",

  "POST /v1/hosts": "admin",
  "PATCH /v1/hosts/{id}": "admin",
  "POST /v1/hosts/{id}/confirm-down": "admin",
  "POST /v1/hosts/{id}/retire": "admin",
  "POST /v1/hosts/{id}/join-token": "admin",
  "POST /v1/hosts/{id}/rotate-key": "admin",
  "POST /v1/hosts/{id}/revoke-key": "admin",
  "PATCH /v1/tenants/{name}": "admin",
  "POST /v1/vms": "admin",
  "POST /v1/vms/{id}/devices": "admin",
  "DELETE /v1/vms/{id}/devices/{device}": "admin",
  "PUT /v1/vms/{id}/devices/{device}/medium": "admin",
  "DELETE /v1/vms/{id}/devices/{device}/medium": "admin",
  "PATCH /v1/vms/{id}": "admin",
  "DELETE /v1/vms/{id}": "admin",
  "POST /v1/vms/{id}/pause": "admin",
  "POST /v1/vms/{id}/resume": "admin",
  "POST /v1/vms/{id}/reset": "admin",
  "POST /v1/vms/{id}/powerdown": "admin",
  "GET /v1/audit": "admin",
  "GET /v1/webhooks": "admin",
  "GET /v1/webhooks/{id}": "admin",
  "GET /v1/webhooks/{id}/deliveries": "admin",
  "POST /v1/webhooks": "admin",
  "PATCH /v1/webhooks/{id}": "admin",
  "DELETE /v1/webhooks/{id}": "admin",
  "POST /v1/webhooks/{id}/rotate-secret": "admin",
  "POST /v1/webhooks/{id}/test": "admin",
  "POST /v1/webhooks/{id}/deliveries/{event}/redeliver": "admin",
};

/** Operations for which the whole fleet is planned: they take seconds, others milliseconds. */
const planning = new Set([
  "POST /v1/evacuations",
  "POST /v1/evacuations/{id}/approve",
  "GET /v1/evacuations/{id}/rollback",
  "POST /v1/evacuations/{id}/rollback",
  "POST /v1/schedules",
  "POST /v1/schedules/{id}/run",
  "GET /v1/schedules/{id}/preview",
]);

/** As what a request is counted, which may come to no route. */
export function countedAs(request: { method: string; path: string }) {
  const { operation = "", method = "GET" } = operationOf(request) ?? {};
  if (planning.has(operation)) return "plans";
  return method === "GET" ? "reads" : "changes";
}

/** The scopes with which an operation may be called: the one that it needs, and those that include it. */
export function sufficientScopes(needed: Scope): Scope[] {
  return scopes.slice(scopes.indexOf(needed));
}

const operations = Object.entries(scopeOf).map(([operation, scope]) => {
  const [method = "", pattern = ""] = operation.split(" ");
  const path = new RegExp(`^${pattern.replaceAll(".", "\\.").replaceAll(/\{\w+\}/g, "[^/]+")}$`);
  return { operation, scope, method, path };
});

/** The operation that a request calls; undefined when no route takes it. */
export function operationOf(request: { method: string; path: string }) {
  const method = request.method === "HEAD" ? "GET" : request.method;
  return operations.find((one) => one.method === method && one.path.test(request.path));
}
