import type * as z from "zod";
import type { AuditPage } from "../bodies/audit.ts";

const page: z.input<typeof AuditPage> = {
  items: [
    {
      at: "2026-11-30T09:14:02.771Z",
      who: "alice@example.org",
      operation: "POST /v1/hosts/{id}/retire",
      path: "/v1/hosts/host-a/retire",
      status: 409,
      code: "host-not-empty",
    },
    {
      at: "2026-11-30T09:12:40.018Z",
      who: "alice@example.org",
      operation: "POST /v1/hosts/{id}/cordon",
      path: "/v1/hosts/host-a/cordon",
      status: 200,
    },
  ],
};

export const auditExamples = { page };
