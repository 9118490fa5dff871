import * as z from "zod";
import { type Evaluation, ofType } from "./evaluation.ts";

const Texts = z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat());

const Statement = z.strictObject({
  Effect: z.literal("Allow"),
  Action: Texts,
  Resource: Texts.default([]),
  Principal: z.strictObject({ Service: Texts }).optional(),
  Condition: z.record(z.string(), z.record(z.string(), Texts)).optional(),
});
export type Statement = z.infer<typeof Statement>;
const Policy = z.strictObject({ Version: z.literal("2012-10-17"), Statement: z.array(Statement) });

const Role = z.object({
  name: z.string(),
  assumeRolePolicy: z.string(),
  inlinePolicies: z.array(z.object({ name: z.string(), policy: z.string() })).length(1),
  managedPolicyArns: z.array(z.string()).length(0).default([]),
});

/** A role with its one policy, as texts and parsed. */
export type RoleRights = {
  name: string;
  rights: Statement[];
  trust: Statement[];
  texts: { rights: string; trust: string };
};

/** Every role of a stage. A role with a managed policy, or with more than one of ours, is an error. */
export function rolesOf(evaluation: Evaluation, stage: string): RoleRights[] {
  return ofType(evaluation, "aws:iam/role:Role").map(({ inputs }) => {
    const { name, assumeRolePolicy, inlinePolicies } = Role.parse(inputs);
    const text = inlinePolicies.map(({ policy }) => policy).join("");
    return {
      name: name.replace(`switchyard-${stage}-`, ""),
      rights: statementsIn(text),
      trust: statementsIn(assumeRolePolicy),
      texts: { rights: text, trust: assumeRolePolicy },
    };
  });
}

function statementsIn(text: string): Statement[] {
  return Policy.parse(JSON.parse(text)).Statement;
}
