/**
 * AWS's list prices in US dollars, us-east-1, without free tiers, as they were known on PRICES_DATE.
 * They were not looked up in AWS's price list: state transitions and DynamoDB's units were compared with
 * public articles on these prices of 2025 and 2026, the others with nothing. Compare all of them with the
 * services' pricing pages before you rely on a sum. Other Regions cost up to a third more.
 */
export const PRICES_DATE = "2026-11-30";

const MILLION = 1_000_000;

export const prices = {
  /** Step Functions, standard workflows. */
  transition: 25 / MILLION,
  /** Lambda, arm64. */
  invocation: 0.2 / MILLION,
  lambdaGbSecond: 0.0000133334,
  /** API Gateway, HTTP APIs, up to 512 KB a request. */
  httpRequest: 1 / MILLION,
  /** DynamoDB, on demand. */
  writeUnit: 0.625 / MILLION,
  readUnit: 0.125 / MILLION,
  tableGbMonth: 0.25,
  backupGbMonth: 0.2,
  /** SQS, standard queues. */
  sqsRequest: 0.4 / MILLION,
  /** CloudWatch. */
  logGb: 0.5,
  alarmMonth: 0.1,
  dashboardMonth: 3,
  metricMonth: 0.3,
  /** EventBridge Scheduler. */
  scheduledCall: 1 / MILLION,
} as const;
