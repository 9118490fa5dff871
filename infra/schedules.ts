import { type ScheduledTask, windowTasks } from "../core/migration/tasks.ts";
import { scheduleMinutes } from "../deployment/schedules.ts";
import { componentName, functions } from "./functions.ts";
import { policyOf, trustOf } from "./policy.ts";
import { account, arnOf, names } from "./settings.ts";

export const scheduleGroup = new aws.scheduler.ScheduleGroup("Schedules", {
  name: names.scheduleGroup,
});

const all = Object.keys(scheduleMinutes) as ScheduledTask[];

/** What schedules call: those below, and the starts of windows that functions add to the group. */
const called = [...all, ...windowTasks].map((name) => functions[name].arn);

/** May call the scheduled functions, for schedules of this group only. */
export const schedulerRole = new aws.iam.Role("SchedulerRole", {
  name: names.schedulerRole,
  assumeRolePolicy: trustOf("scheduler.amazonaws.com", {
    StringEquals: { "aws:SourceAccount": account.accountId },
    ArnLike: { "aws:SourceArn": arnOf("scheduler", `schedule-group/${names.scheduleGroup}`) },
  }),
  inlinePolicies: [
    {
      name: "rights",
      policy: policyOf([{ actions: ["lambda:InvokeFunction"], resources: called }]),
    },
  ],
});

for (const name of all) {
  const minutes = scheduleMinutes[name];
  new aws.scheduler.Schedule(`${componentName(name)}Schedule`, {
    name,
    groupName: scheduleGroup.name,
    scheduleExpression: `rate(${minutes} ${minutes === 1 ? "minute" : "minutes"})`,
    flexibleTimeWindow: { mode: "OFF" },
    target: {
      arn: functions[name].arn,
      roleArn: schedulerRole.arn,
      input: "{}",
      // The next call makes up for a lost one.
      retryPolicy: { maximumRetryAttempts: 0, maximumEventAgeInSeconds: 60 },
    },
  });
  new aws.lambda.FunctionEventInvokeConfig(`${componentName(name)}Retries`, {
    functionName: functions[name].name,
    maximumRetryAttempts: 0,
    maximumEventAgeInSeconds: 60,
  });
}
