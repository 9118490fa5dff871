import type { FunctionName } from "../deployment/functions.ts";
import {
  type StateMachineName,
  stateMachineDescriptions,
  stateMachineNames,
} from "../deployment/state-machines.ts";
import { type AlarmMessage, alarmMessages } from "../functions/runtime/alarm-messages.ts";
import { componentName, functions } from "./functions.ts";
import { deadLetterQueue } from "./queues.ts";
import { alarmEmail, names } from "./settings.ts";
import { stateMachines } from "./state-machines.ts";
import { table } from "./table.ts";

const METRICS = "Switchyard";
const MINUTE_SECONDS = 60;
const FIVE_MINUTES_SECONDS = 300;
const DAY_SECONDS = 24 * 3600;

export const alarmTopic = new aws.sns.Topic("Alarms", { name: `${names.table}-alarms` });
if (alarmEmail !== undefined) {
  new aws.sns.TopicSubscription("AlarmEmail", {
    topic: alarmTopic.arn,
    protocol: "email",
    endpoint: alarmEmail,
  });
}

type Alarm = {
  /** What has happened, for whoever is called. */
  description: string;
  namespace: string;
  metricName: string;
  dimensions?: Record<string, $util.Input<string>>;
  statistic?: "Sum" | "Maximum";
  periodSeconds?: number;
};

/** Each alarm rings at the first occurrence: none of them is part of normal work. */
function raise(name: string, alarm: Alarm) {
  return new aws.cloudwatch.MetricAlarm(`${name}Alarm`, {
    name: `${names.table} ${name}`,
    alarmDescription: alarm.description,
    namespace: alarm.namespace,
    metricName: alarm.metricName,
    ...(alarm.dimensions === undefined ? {} : { dimensions: alarm.dimensions }),
    statistic: alarm.statistic ?? "Sum",
    period: alarm.periodSeconds ?? MINUTE_SECONDS,
    evaluationPeriods: 1,
    comparisonOperator: "GreaterThanThreshold",
    threshold: 0,
    treatMissingData: "notBreaching",
    alarmActions: [alarmTopic.arn],
    okActions: [alarmTopic.arn],
  });
}

function raiseForStateMachine(name: StateMachineName) {
  const dimensions = { StateMachineArn: stateMachines[name].arn };
  const days = stateMachineDescriptions[name].definition(String).TimeoutSeconds / DAY_SECONDS;
  return [
    raise(`${componentName(name)}TimedOut`, {
      description: `An execution of the ${name} workflow has run for ${days} days: it is stuck`,
      namespace: "AWS/States",
      metricName: "ExecutionsTimedOut",
      dimensions,
    }),
    raise(`${componentName(name)}Throttled`, {
      description: `Step Functions delays the ${name} workflow: raise the account's quota`,
      namespace: "AWS/States",
      metricName: "ExecutionThrottled",
      dimensions,
      periodSeconds: FIVE_MINUTES_SECONDS,
    }),
  ];
}

/** An alarm for a message that functions log. */
function raiseByLog(name: AlarmMessage, loggedBy: FunctionName, description: string) {
  const metricName = componentName(name);
  new aws.cloudwatch.LogMetricFilter(
    `${metricName}Metric`,
    {
      name: `${names.table}-${name}`,
      logGroupName: `/aws/lambda/${names.function(loggedBy)}`,
      pattern: `{ $.msg = "${alarmMessages[name]}" }`,
      metricTransformation: { name: `${$app.stage}${metricName}`, namespace: METRICS, value: "1" },
    },
    { dependsOn: [functions[loggedBy]] },
  );
  return raise(metricName, {
    description,
    namespace: METRICS,
    metricName: `${$app.stage}${metricName}`,
  });
}

export const alarms = [
  raiseByLog("unknown", "end-migration", "Nobody can say where a guest runs: a person is needed"),
  raiseByLog("lost", "sweep", "Executions were lost; the sweep has started others"),
  raiseByLog("stalled", "sweep", "A running migration has reported nothing for ten minutes"),
  raiseByLog("silent", "sweep", "Hosts are not heard: nothing can be moved from or to them"),
  raiseByLog("overBudget", "complete", "A migration took more downtime than its policy allows"),
  raise("DeadLetters", {
    description: "Commands that no agent could take are in the dead-letter queue",
    namespace: "AWS/SQS",
    metricName: "ApproximateNumberOfMessagesVisible",
    dimensions: { QueueName: deadLetterQueue.name },
    statistic: "Maximum",
  }),
  ...stateMachineNames.flatMap(raiseForStateMachine),
  raise("FunctionsThrottled", {
    description: "Lambda refuses invocations in this account: raise its concurrency quota",
    namespace: "AWS/Lambda",
    metricName: "Throttles",
    periodSeconds: FIVE_MINUTES_SECONDS,
  }),
  raise("ReadsThrottled", {
    description: "DynamoDB refuses reads: one partition is asked too often",
    namespace: "AWS/DynamoDB",
    metricName: "ReadThrottleEvents",
    dimensions: { TableName: table.name },
    periodSeconds: FIVE_MINUTES_SECONDS,
  }),
  raise("WritesThrottled", {
    description: "DynamoDB refuses writes: one partition is written too often",
    namespace: "AWS/DynamoDB",
    metricName: "WriteThrottleEvents",
    dimensions: { TableName: table.name },
    periodSeconds: FIVE_MINUTES_SECONDS,
  }),
  raise("EndsFailed", {
    description: "The end of a migration could not be written; Step Functions tries for a day",
    namespace: "AWS/Lambda",
    metricName: "Errors",
    dimensions: { FunctionName: functions["end-migration"].name },
    periodSeconds: FIVE_MINUTES_SECONDS,
  }),
];
