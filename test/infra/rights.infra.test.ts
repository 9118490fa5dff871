import { describe, expect, inject, it } from "vitest";
import { type FunctionName, functionDescriptions } from "../../deployment/functions.ts";
import { stateMachineDescriptions, stateMachineNames } from "../../deployment/state-machines.ts";
import { ofType } from "./evaluation.ts";
import { rolesOf } from "./policies.ts";
import { account } from "./pulumi-mocks.ts";

const evaluation = inject("production");
const roles = rolesOf(evaluation, "production");
const byName = new Map(roles.map((role) => [role.name, role]));
const functionNames = Object.keys(functionDescriptions) as FunctionName[];
const here = (service: string) => `arn:aws:${service}:${account.region}:${account.id}:`;
const functionArn = (name: string) => `${here("lambda")}function:switchyard-production-${name}`;
const TABLE = `${here("dynamodb")}table/switchyard-production`;

/** Actions for which IAM knows no resource: AWS's service authorization reference. */
const WITHOUT_RESOURCE = [
  "logs:CreateLogDelivery",
  "logs:DeleteLogDelivery",
  "logs:DescribeLogGroups",
  "logs:DescribeResourcePolicies",
  "logs:GetLogDelivery",
  "logs:ListLogDeliveries",
  "logs:PutResourcePolicy",
  "logs:UpdateLogDelivery",
  "states:SendTaskFailure",
  "states:SendTaskHeartbeat",
  "states:SendTaskSuccess",
];

function grantsOf(name: string) {
  const role = byName.get(name);
  if (role === undefined) throw new Error(`Expected a role ${name}`);
  return role.rights.flatMap(({ Action, Resource }) =>
    Action.flatMap((action) => Resource.map((resource) => ({ action, resource }))),
  );
}

const allGrants = roles.flatMap(({ name }) =>
  grantsOf(name).map((grant) => ({ role: name, ...grant })),
);

describe("the roles", () => {
  it("are one for each function, each state machine and the scheduler", () => {
    const machineRoles = stateMachineNames.map((name) => `${name}-states`);
    const expected = [...functionNames, ...machineRoles, "scheduler"];
    expect([...byName.keys()].toSorted()).toEqual(expected.toSorted());
    expect(ofType(evaluation, "aws:iam/rolePolicy:RolePolicy")).toEqual([]);
    expect(ofType(evaluation, "aws:iam/rolePolicyAttachment:RolePolicyAttachment")).toEqual([]);
  });

  it("name each action in full", () => {
    expect(allGrants.filter(({ action }) => !/^[a-z0-9-]+:[A-Za-z]+$/.test(action))).toEqual([]);
  });

  it("grant on every resource only what IAM cannot narrow", () => {
    const everywhere = allGrants.filter(({ resource }) => resource === "*");
    expect([...new Set(everywhere.map(({ action }) => action))].toSorted()).toEqual(
      WITHOUT_RESOURCE,
    );
  });

  it("end a resource in * only below one thing of this stage", () => {
    const starred = allGrants.filter(({ resource }) => /^.+\*/.test(resource));
    const allowed = [
      `${here("sqs")}sy-production-*`,
      `${TABLE}/index/*`,
      `${here("scheduler")}schedule/switchyard-production/sch_*`,
      ...stateMachineNames.map(
        (name) => `${here("states")}execution:switchyard-production-${name}:*`,
      ),
      ...functionNames.map(
        (name) => `${here("logs")}log-group:/aws/lambda/switchyard-production-${name}:*`,
      ),
    ];
    expect(starred.filter(({ resource }) => !allowed.includes(resource))).toEqual([]);
  });

  it("are trusted to one service each, which must act for this account", () => {
    const trusts = roles.flatMap(({ name, trust }) => trust.map((one) => ({ name, one })));
    const services = trusts.map(({ one }) => one.Principal?.Service);
    expect(services.filter((names) => names?.length !== 1)).toEqual([]);
    for (const { name, one } of trusts) {
      if (one.Principal?.Service[0] === "lambda.amazonaws.com") continue;
      expect(one.Condition, name).toMatchObject({
        StringEquals: { "aws:SourceAccount": [account.id] },
        ArnLike: { "aws:SourceArn": [expect.stringContaining("switchyard-production")] },
      });
    }
  });
});

describe("only", () => {
  it("agent-events completes task tokens", () => {
    const holders = allGrants.filter(({ action }) => action.startsWith("states:SendTask"));
    expect(new Set(holders.map(({ role }) => role))).toEqual(new Set(["agent-events"]));
  });

  it("api creates queues, and by the stage's prefix", () => {
    const creators = allGrants.filter(({ action }) => /^sqs:(Create|Delete)Queue$/.test(action));
    expect(new Set(creators.map(({ role }) => role))).toEqual(new Set(["api"]));
    expect(new Set(creators.map(({ resource }) => resource))).toEqual(
      new Set([`${here("sqs")}sy-production-*`]),
    );
  });

  it("hosts receive commands: no function may", () => {
    expect(allGrants.filter(({ action }) => /^sqs:(Receive|Delete)Message/.test(action))).toEqual(
      [],
    );
  });

  it("the state machines and the scheduler call tasks, exactly their own", () => {
    const called = (role: string) =>
      grantsOf(role)
        .filter(({ action }) => action === "lambda:InvokeFunction")
        .map(({ resource }) => resource);
    for (const name of stateMachineNames) {
      const { functions } = stateMachineDescriptions[name];
      expect(called(`${name}-states`).toSorted()).toEqual(functions.map(functionArn).toSorted());
    }
    const scheduled = ["deliver-webhooks", "open-window", "sweep"].map(functionArn);
    expect(called("scheduler").toSorted()).toEqual(scheduled);
    const others = allGrants.filter(
      ({ role, action }) =>
        action === "lambda:InvokeFunction" && functionDescriptions[role as FunctionName],
    );
    expect(new Set(others.map(({ resource }) => resource))).toEqual(
      new Set([functionArn("agent-events")]),
    );
  });
});

it("API Gateway may call the functions behind its routes, for this API only", () => {
  const permissions = ofType(evaluation, "aws:lambda/permission:Permission");
  expect(permissions.map(({ inputs }) => inputs.function).toSorted()).toEqual(
    ["agent-events", "api"].map(functionArn),
  );
  for (const { inputs } of permissions) {
    expect(inputs).toMatchObject({
      action: "lambda:InvokeFunction",
      principal: "apigateway.amazonaws.com",
      sourceArn: expect.stringMatching(/^arn:aws:execute-api:.+:api-id\/\*$/),
    });
  }
});
