import { MigrationPolicy } from "../../core/negotiate/policy.ts";
import { CheckedPolicy } from "./bodies/migrations.ts";
import { migrationExamples } from "./examples/migrations.ts";
import { requireSoundPolicy } from "./policy-problem.ts";
import { answer, body, createRoute, refusals, routes, SEND } from "./routing.ts";

const check = createRoute({
  method: "post",
  path: "/v1/policies/check",
  operationId: "checkPolicy",
  tags: ["Migrations"],
  summary: "Check a policy, and show it with its defaults",
  description:
    "As every request with a policy does it: unknown names, values out of range and contradictions " +
    "are refused. Whether two hosts can follow it, a dry run of a migration says. Nothing is stored.",
  request: body(MigrationPolicy, migrationExamples.policy),
  responses: {
    200: answer("The policy with its defaults", CheckedPolicy, migrationExamples.checkedPolicy),
    ...refusals(SEND),
  },
});

export const policies = routes().openapi(check, (context) => {
  const policy = context.req.valid("json");
  requireSoundPolicy(policy);
  return context.json({ policy }, 200);
});
