import type { FunctionName } from "../deployment/functions.ts";
import { functionDescriptions } from "../deployment/functions.ts";
import { type StateMachineName, stateMachineNames } from "../deployment/state-machines.ts";
import { alarms } from "./alarms.ts";
import { api } from "./api.ts";
import { functions } from "./functions.ts";
import { deadLetterQueue } from "./queues.ts";
import { account, names } from "./settings.ts";
import { stateMachines } from "./state-machines.ts";
import { table } from "./table.ts";

type Metric = $util.Input<string>[];

/** CloudWatch's grid has 24 columns. */
const WIDTH = 12;
const HEIGHT = 6;

function graph(place: number, title: string, metrics: Metric[], stat: string) {
  return {
    type: "metric",
    x: (place % 2) * WIDTH,
    y: Math.floor(place / 2) * HEIGHT + HEIGHT,
    width: WIDTH,
    height: HEIGHT,
    properties: { title, metrics, stat, period: 60, region: account.region, view: "timeSeries" },
  };
}

const ofMachine = (name: StateMachineName, metric: string): Metric => [
  "AWS/States",
  metric,
  "StateMachineArn",
  stateMachines[name].arn,
];
const executionsOf = (name: StateMachineName): Metric[] =>
  ["Started", "Succeeded", "Failed", "TimedOut", "Aborted"].map((event) =>
    ofMachine(name, `Executions${event}`),
  );
const ofFunctions = (metric: string): Metric[] =>
  (Object.keys(functionDescriptions) as FunctionName[]).map((name) => [
    "AWS/Lambda",
    metric,
    "FunctionName",
    functions[name].name,
  ]);
const ofTable = (metric: string): Metric => ["AWS/DynamoDB", metric, "TableName", table.name];
const ofApi = (metric: string): Metric => ["AWS/ApiGateway", metric, "ApiId", api.nodes.api.id];

const graphs: [title: string, metrics: Metric[], stat: string][] = [
  ["Migrations", executionsOf("migration"), "Sum"],
  ["Evacuations", executionsOf("evacuation"), "Sum"],
  [
    "Length of executions, p95",
    stateMachineNames.map((name) => ofMachine(name, "ExecutionTime")),
    "p95",
  ],
  ["Requests and refusals", ["Count", "4xx", "5xx"].map(ofApi), "Sum"],
  ["Latency of the API, p95", [ofApi("Latency")], "p95"],
  ["Invocations", ofFunctions("Invocations"), "Sum"],
  ["Errors of functions", ofFunctions("Errors"), "Sum"],
  ["Duration of functions, p95", ofFunctions("Duration"), "p95"],
  [
    "Units of the table",
    ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"].map(ofTable),
    "Sum",
  ],
  ["Throttles of the table", ["ReadThrottleEvents", "WriteThrottleEvents"].map(ofTable), "Sum"],
  [
    "Dead letters",
    [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", deadLetterQueue.name]],
    "Maximum",
  ],
];

const alarmStates = {
  type: "alarm",
  x: 0,
  y: 0,
  width: 2 * WIDTH,
  height: HEIGHT,
  properties: { title: "Alarms", alarms: alarms.map(({ arn }) => arn) },
};

export const dashboard = new aws.cloudwatch.Dashboard("Dashboard", {
  dashboardName: names.table,
  dashboardBody: $jsonStringify({
    widgets: [
      alarmStates,
      ...graphs.map(([title, metrics, stat], place) => graph(place, title, metrics, stat)),
    ],
  }),
});
