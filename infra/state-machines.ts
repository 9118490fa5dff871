import { type StateMachineName, stateMachineDescriptions } from "../deployment/state-machines.ts";
import { componentName, functions, stateMachineArn } from "./functions.ts";
import { policyOf, type Statement, trustOf } from "./policy.ts";
import { account, LOG_DAYS, names } from "./settings.ts";

/** Step Functions writes its log through deliveries, whose actions have no resources. */
const deliverLogs: Statement = {
  actions: [
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
  ],
  resources: ["*"],
};

function create(name: StateMachineName) {
  const { functions: called, definition } = stateMachineDescriptions[name];
  const component = `${componentName(name)}StateMachine`;
  const logGroup = new aws.cloudwatch.LogGroup(`${component}Log`, {
    name: `/aws/vendedlogs/states/${names.stateMachine(name)}`,
    retentionInDays: LOG_DAYS,
  });
  const role = new aws.iam.Role(`${component}Role`, {
    name: `${names.stateMachine(name)}-states`,
    assumeRolePolicy: trustOf("states.amazonaws.com", {
      StringEquals: { "aws:SourceAccount": account.accountId },
      ArnLike: { "aws:SourceArn": stateMachineArn(name) },
    }),
    inlinePolicies: [
      {
        name: "rights",
        policy: policyOf([
          {
            actions: ["lambda:InvokeFunction"],
            resources: called.map((task) => functions[task].arn),
          },
          deliverLogs,
        ]),
      },
    ],
  });
  return new aws.sfn.StateMachine(component, {
    name: names.stateMachine(name),
    type: "STANDARD",
    roleArn: role.arn,
    definition: $jsonStringify(definition((task) => functions[task].arn)),
    // Execution data holds task tokens.
    loggingConfiguration: {
      level: "ERROR",
      includeExecutionData: false,
      logDestination: $interpolate`${logGroup.arn}:*`,
    },
  });
}

const all = Object.keys(stateMachineDescriptions) as StateMachineName[];

export const stateMachines = Object.fromEntries(all.map((name) => [name, create(name)])) as Record<
  StateMachineName,
  aws.sfn.StateMachine
>;
