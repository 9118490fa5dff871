import { readFileSync } from "node:fs";
import { namesOf, PRODUCTION } from "../deployment/names.ts";

export const isProduction = $app.stage === PRODUCTION;
export const names = namesOf($app.stage);

/** Who may call the API: any OpenID Connect provider. */
export const operators = {
  issuer: required("SWITCHYARD_JWT_ISSUER", /^https:\/\/\S+$/, "the https URL of an OpenID issuer"),
  scopePrefix: optional("SWITCHYARD_SCOPE_PREFIX", /^[\x21-\x7e]{1,128}$/, "text") ?? "switchyard/",
  audience: required("SWITCHYARD_JWT_AUDIENCE", /^\S+$/, "the audience of the operators' tokens"),
};

/** Receives the alarms; nobody does without it. */
export const alarmEmail = optional("SWITCHYARD_ALARM_EMAIL", /^\S+@\S+$/, "an e-mail address");

/**
 * Which addresses webhooks may be delivered to. Never loopback: on Lambda that is the runtime's own
 * API.
 */
export const webhookReceivers = optional(
  "SWITCHYARD_WEBHOOK_RECEIVERS",
  /^(public|private)$/,
  "`public` or `private`",
);

/** Requests a second of one person or host, in each instance of a function; 0: any number. */
export const requestsPerSecondMax = optional(
  "SWITCHYARD_REQUESTS_PER_SECOND_MAX",
  /^(\d{1,5}|100000)$/,
  "a whole number from 0 to 100000",
);

/**
 * CloudWatch's namespace for the metrics of docs/reference/metrics.md. Nothing is sent without it: each
 * metric with each of its labels costs by the month.
 */
export const metricsNamespace = optional(
  "SWITCHYARD_METRICS_NAMESPACE",
  /^[A-Za-z0-9_./#:-]{1,255}$/,
  "a namespace of CloudWatch",
);

/** Certificates (PEM) of the authority that signs the hosts' certificates, for IAM Roles Anywhere. */
export const hostAuthority = readOptional("SWITCHYARD_HOST_CA");

/** The key that commands are signed with: docs/operate/deploy.md says how it is made and replaced. */
export const commandSigningKey = new sst.Secret("CommandSigningKey");
/** Other public keys that agents accept, while it is replaced. */
export const commandKeys = optional(
  "SWITCHYARD_COMMAND_KEYS",
  /^[\w-]{43}(,[\w-]{43}){0,2}$/,
  "up to three Ed25519 public keys (base64url), separated by commas",
);

/** Days that logs are kept. They name hosts, VMs and migrations; never tokens or keys. */
export const LOG_DAYS = 30;
/** The same time in SST's words. */
export const LOG_RETENTION = "1 month";

const { accountId } = aws.getCallerIdentityOutput({});
const { region } = aws.getRegionOutput({});
const { partition } = aws.getPartitionOutput({});
export const account = { accountId, region, partition };

/** An ARN in this account and Region. */
export function arnOf(service: string, resource: string) {
  return $interpolate`arn:${partition}:${service}:${region}:${accountId}:${resource}`;
}

/** The ARN of a role: IAM has no Regions. */
export function roleArn(name: string) {
  return $interpolate`arn:${partition}:iam::${accountId}:role/${name}`;
}

function required(name: string, form: RegExp, meaning: string): string {
  const value = optional(name, form, meaning);
  if (value === undefined) throw new Error(`Expected ${name} to be set: ${meaning}`);
  return value;
}

function optional(name: string, form: RegExp, meaning: string): string | undefined {
  const value = process.env[name];
  if (value === undefined || value === "") return undefined;
  if (form.test(value)) return value;
  throw new Error(`Expected ${name} to be ${meaning}, got \`${value}\``);
}

function readOptional(name: string): string | undefined {
  const path = process.env[name];
  if (path === undefined || path === "") return undefined;
  const text = readFileSync(path, "utf8");
  if (text.includes("-----BEGIN CERTIFICATE-----")) return text;
  throw new Error(`Expected ${name} to name a file of PEM certificates, got \`${path}\``);
}
